"""The page: complete, self-contained, escaped, and careful about what it shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from deciface.cases import RESEARCH_USE_ONLY, Diagnosis, Disorder, Encoding, Patient, Photo, View
from deciface.faces import Check, Face, Pose, Quality, Verdict
from deciface.models import shipped_cards
from deciface.reports.case import LIMITS, CaseReport, ReportedPhoto, render
from deciface.reports.pictures import shrunk
from deciface.space import Gallery, Query, Rule, SyndromicEvidence, rank, unusualness
from deciface.space.unusual_syndromic import Calibration, Share, Side
from deciface.stats.roc import Auc

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


def encoding(photo_id, vector):
    return Encoding(photo_id, f"pixels of {photo_id}", "dlib-150/1", "e" * 64, View("dlib-resnet"), np.float32(vector))


def report(*, simulated=False, disorder="Sotos syndrome", title="Face report", thumbnails=None):
    diagnosis = Diagnosis(Disorder("OMIM:117550", disorder), ("NSD1",))
    photos = [
        Photo("a", Patient("p1", simulated=simulated), "pixels of a", 3.5, (diagnosis,)),
        Photo("b", Patient("p2", simulated=simulated), "pixels of b", None, unaffected=True),
    ]
    gallery = Gallery.build(photos, [encoding("a", [1, 0.1]), encoding("b", [0, 1])])
    query = Query.of([encoding("q", [1, 0])])
    mesh = np.random.default_rng(0).uniform(20, 80, (468, 3)).astype(np.float32)
    face = Face((10, 10, 90, 90), mesh, np.zeros((2, 5, 2), np.float32), 20.0, 0.01, Pose(0, 0, 0), "x")
    checks = (
        Check("sharpness", -1.7, "log2", ">= -1.5", Verdict.CARE, "hold the camera still"),
        Check("yaw", 2.0, "degrees", "<= 18", Verdict.PASS, ""),
    )
    picture = np.full((100, 100, 3), 120, np.uint8)
    return CaseReport(
        title=title,
        facts=(("patient", "p9"),),
        photos=(ReportedPhoto("q.jpg", ("metadata removed",), picture, face, Quality(checks), picture),),
        ranking=rank(gallery, query, rule=Rule.NEAREST_IMAGE),
        unusualness=unusualness(gallery, query),
        cards=tuple(c for c in shipped_cards() if c.id == "dlib-resnet"),
        gallery_name="clinic",
        thumbnails=thumbnails or {},
        provenance=(("DeciFace", "0"),),
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br", "image", "rect"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def parsed(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags.seen


def test_the_page_stands_alone_and_is_well_formed():
    page = render(report(), now=NOW)
    seen = parsed(page)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in seen}
    for _, attributes in seen:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:image/jpeg;base64,") or name not in attributes
    assert all(attributes.get("alt") for tag, attributes in seen if tag == "img")


def test_it_says_what_it_is_and_is_not():
    page = render(report(), now=NOW)
    assert page.count(RESEARCH_USE_ONLY) == 2
    for said in ("usable with care", "hold the camera still", "Sotos syndrome", "NSD1", "2026-01-02 03:04"):
        assert said in page
    assert LIMITS[0].split(".")[0] in page
    assert "cannot tell" in page.lower()
    assert "1 unaffected people" in page


def test_simulated_people_are_called_so_and_real_ones_are_not():
    assert "simulated" not in render(report(), now=NOW)
    page = render(report(simulated=True), now=NOW)
    assert "The gallery holds simulated people" in page
    assert '<span class="chip sim">simulated</span>' in page


def test_names_are_escaped():
    page = render(report(disorder="<script>alert(1)</script>"), now=NOW)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_faces_of_the_gallery_are_shown_only_when_given():
    assert "photo not shown: showing it needs" in render(report(), now=NOW)
    thumbnail = np.zeros((8, 8, 3), np.uint8)
    page = render(report(thumbnails={"a": thumbnail, "b": thumbnail}), now=NOW)
    assert "photo not shown" not in page


def test_a_report_without_disorders_still_renders():
    full = report()
    page = render(replace(full, ranking=replace(full.ranking, disorders=(), genes=())), now=NOW)
    assert "Nearest disorders" in page
    parsed(page)


@pytest.mark.parametrize(("h", "w"), [(50, 80), (2000, 1000), (641, 3)])
def test_pictures_are_shrunk_and_never_enlarged(h, w):
    small, scale = shrunk(np.zeros((h, w, 3), np.uint8))
    assert max(small.shape[:2]) <= 640
    assert scale <= 1
    assert scale == pytest.approx(min(1, 640 / max(h, w)))


def test_patient_against_unaffected_stands_below_unusualness_with_its_reasons():
    shares = (Share("length of the residual", 0.8, 0.9, 0.4),)
    known, unseen = (Auc(v, 0.001, (v - 0.1, v + 0.1), 60, 80) for v in (0.7, 0.6))
    evidence = SyndromicEvidence(
        Side.PATIENT, "", 1.25, (0.4, 2.0), shares, Calibration(60, 80, 9, 3, known=known, unseen=unseen, slope=0.9)
    )
    page = render(replace(report(), syndromic=evidence), now=NOW)
    assert "Speaks for a patient of some disorder" in page
    assert "Log likelihood ratio +1.25 (95 % interval +0.40 to +2.00)" in page
    assert "learnt from 60 patients of 9 disorders and 80 unaffected people" in page
    assert "0.70 (0.60 to 0.80)" in page
    assert "larger than in 90 % of unaffected people and 40 % of patients (+0.80)" in page
    unsure = render(replace(report(), syndromic=SyndromicEvidence(Side.CANNOT_TELL, "3 patients")), now=NOW)
    assert "3 patients." in unsure
    assert "Log likelihood ratio" not in unsure
    assert "or unaffected?" not in render(report(), now=NOW)
