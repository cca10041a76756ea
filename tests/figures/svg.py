"""Read a chart back: well-formed, its words, its lines and where its markers are."""

import re
from xml.etree import ElementTree as ET

NUMBER = r"-?\d+(?:\.\d+)?"


class Drawn:
    def __init__(self, text):
        self.text = text
        self.root = ET.fromstring(text)  # noqa: S314 - our own output

    @property
    def size(self):
        return float(self.root.get("width")), float(self.root.get("height"))

    @property
    def title(self):
        return self.root.findtext("title")

    @property
    def description(self):
        return self.root.findtext("desc")

    @property
    def words(self):
        return [t.text for t in self.root.iter("text") if t.text]

    def place(self, word):
        """(x, y) of a text."""
        found = next(t for t in self.root.iter("text") if t.text == word)
        return float(found.get("x")), float(found.get("y"))

    def lines(self, colour):
        """Points of every path that is stroked in a colour and not a marker."""
        return [
            [(float(x), float(y)) for x, y in re.findall(rf"[ML] ({NUMBER}) ({NUMBER})", path.get("d"))]
            for path in self.root.iter("path")
            if f"stroke: {colour}" in path.get("style", "") and path.get("id") is None
        ]

    def markers(self, colour):
        """(x, y) of every marker of a colour."""
        return [
            (float(use.get("x")), float(use.get("y")))
            for use in self.root.iter("use")
            if f"fill: {colour}" in use.get("style", "") and "fill-opacity" not in use.get("style")
        ]

    def boxes(self, colour):
        """(left, top, right, bottom) of every area that is filled with a colour."""
        found = []
        for path in self.root.iter("path"):
            if f"fill: {colour}" in path.get("style", "") and path.get("id") is None:
                points = [tuple(map(float, p)) for p in re.findall(rf"({NUMBER}) ({NUMBER})", path.get("d"))]
                xs, ys = zip(*points, strict=True)
                found.append((min(xs), min(ys), max(xs), max(ys)))
        return found


def inside(drawn):
    """Whether every text begins on the sheet."""
    width, height = drawn.size
    places = [(float(t.get("x")), float(t.get("y"))) for t in drawn.root.iter("text") if t.get("x") and t.text]
    return all(0 <= x <= width and 0 <= y <= height for x, y in places)
