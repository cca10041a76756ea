import re

from deciface.figures.chart import axes_in, draw, percent, shortened, width_of
from tests.figures.svg import Drawn


def paint(figure):
    axes = axes_in(figure, left=50, top=10, width=100, height=50)
    axes.plot([0, 1], [0, 1], marker="o", clip_on=True)
    axes.set_title('努南氏 <b> id="x" & url(#y)')


def drawn(name="one", title="a title"):
    return draw(paint, name=name, title=title, description="what <can> be seen", width_px=200, height_px=90)


def test_the_same_result_gives_the_same_text_without_a_date():
    assert drawn() == drawn()
    assert not re.search(r"20\d\d-\d\d", drawn())


def test_every_id_begins_with_the_name_and_points_to_one_that_is_there():
    text = drawn("chart7")
    ids = re.findall(r'<[^>]* id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert all(i.startswith("chart7-") for i in ids)
    asked = {*re.findall(r' href="#([^"]+)"', text), *re.findall(r'clip-path="url\(#([^)]+)\)"', text)}
    assert asked
    assert asked <= set(ids)


def test_nothing_comes_from_outside_and_no_style_reaches_the_page():
    assert "http" not in drawn()
    assert "<style" not in drawn()
    assert "xlink" not in drawn()
    assert drawn().startswith('<svg viewBox="0 0 200 90" width="200" height="90" role="img"')


def test_letters_stay_letters_also_those_that_the_measuring_font_lacks():
    assert '努南氏 <b> id="x" & url(#y)' in Drawn(drawn()).words


def test_it_says_what_it_shows_to_those_who_do_not_see_it():
    svg = Drawn(drawn(title="a < b"))
    assert svg.title == "a < b"
    assert svg.description == "what <can> be seen"
    labels = svg.root.get("aria-labelledby").split()
    assert [e.get("id") for e in svg.root if e.tag in {"title", "desc"}] == labels


def test_sizes_are_pixels():
    text = drawn()
    assert "font-size: 11px" in text  # names of ticks
    x, y = Drawn(text).lines("#1f77b4")[0][0]
    assert 50 <= x <= 60
    assert 50 <= y <= 60


def test_words():
    assert width_of("十", 10) > width_of("i", 10)
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"
    assert [percent(s) for s in (0, 0.034, 0.5, 1)] == ["0 %", "3.4 %", "50 %", "100 %"]
