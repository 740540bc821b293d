"""The documentation's pages, and what in them can be run."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

#: What examples are of, and what is not everywhere: modules, and programs.
FRAMEWORKS = {"celery", "distributed", "django", "fastapi", "flask", "polars", "prometheus_client"}
FRAMEWORKS |= {"starlette"}
PROGRAMS = {"celery", "gunicorn", "uvicorn"}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    number: int
    """Among those of its language on its page, from 1."""
    text: str

    @property
    def name(self):
        return f"{self.page.stem}-{self.number}"

    @property
    def file(self):
        """What its first line says that it is a file of; None where it does not."""
        named = re.match(r"# (\w+\.py)\n", self.text)
        return named and named.group(1)

    @property
    def missing(self):
        """The frameworks that it imports and that are not installed."""
        imported = set(re.findall(r"^(?:import|from) (\w+)", self.text, re.M))
        return [one for one in sorted(imported & FRAMEWORKS) if not importlib.util.find_spec(one)]

    @property
    def missing_programs(self):
        """The same of a block for the shell."""
        words = set(re.findall(r"\w+", self.text)) & PROGRAMS
        words |= {"django"} if "manage.py" in self.text else set()
        folder = str(Path(sys.executable).parent)
        return [
            one
            for one in sorted(words)
            if not (importlib.util.find_spec(one) if one in FRAMEWORKS else which(one, folder))
        ]


def which(program, folder):
    return shutil.which(program, path=folder)


def blocks(language, pages=PAGES):
    """All blocks in a language."""
    for page in pages:
        found = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)
        for number, text in enumerate(found, 1):
            yield Block(page, language, number, text)
