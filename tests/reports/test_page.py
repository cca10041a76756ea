import base64

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from deciface.reports.page import png_uri, render_page
from tests.reports.pages import HEAD, NOW, check_page


def test_the_frame_holds_title_notices_and_provenance():
    text = check_page(render_page("page", HEAD, now=NOW))
    assert "gallery: site &lt;1&gt;" in text
    assert "seed 7" in text


def test_a_template_that_lacks_a_value_or_is_not_there_is_an_error():
    with pytest.raises(UndefinedError):
        render_page("clusters", HEAD, now=NOW)
    with pytest.raises(TemplateNotFound):
        render_page("nothing", HEAD, now=NOW)


def test_a_picture_is_inside_the_page():
    prefix, content = png_uri(b"\x89PNG...").split(",")
    assert prefix == "data:image/png;base64"
    assert base64.b64decode(content) == b"\x89PNG..."
