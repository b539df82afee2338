"""The colours of the city's grades as a style sheet.  Pure.

Pages carry no style of their own (the content security policy forbids it): an element is of the
class of its level, and this sheet, made from the grading table, says what that looks like.
"""

from collections.abc import Iterator

from lifeline.grades import Grading, ink_on


def css(grades: Grading) -> str:
    """The sheet; a level that the table lacks has no colour."""
    light = "\n".join(_light(grades))
    dark = "\n".join(f"  {line}" for line in _dark(grades))
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _light(grades: Grading) -> Iterator[str]:
    for grade in grades.city:
        yield f".g{grade.level} {{ --grade: {grade.colour}; --on-grade: {grade.ink}; }}"
    device = grades.of(grades.device)
    # Not the colour of what it stands in: an edge alone.
    yield f".g{device.level} {{ --grade: initial; --on-grade: initial; --edge: {device.colour}; }}"


def _dark(grades: Grading) -> Iterator[str]:
    for grade in grades.city:
        colour = grade.dark or grade.colour
        yield f".g{grade.level} {{ --grade: {colour}; --on-grade: {ink_on(colour)}; }}"
    device = grades.of(grades.device)
    yield f".g{device.level} {{ --edge: {device.dark or device.colour}; }}"
