"""Reads a report with a reader that somebody else has made: peers.py READER FILE.

Says the seconds of a processor that it took, the peak of memory in bytes, and what was found. Importing does not count, nor does
what a reader's program does after it has read (counting, drawing, asking git).
"""

import json
import resource
import sys
import time
import xml.etree.ElementTree


def junitparser(path):
    from junitparser import JUnitXml, TestCase

    def cases(suite):
        for inner in suite:
            yield from [inner] if isinstance(inner, TestCase) else cases(inner)

    return lambda: sum(1 for case in cases(JUnitXml.fromfile(path)) if case.name and (case.result is not None))


def tap(path):
    from tap.parser import Parser

    return lambda: sum(1 for line in Parser().parse_file(path) if line.category == "test")


def diff_cover_lcov(path):
    from diff_cover.violationsreporters.violations_reporter import LcovCoverageReporter

    return lambda: len(LcovCoverageReporter.parse(path))


def diff_cover_xml(path):
    """Its program parses the whole document, and then looks up the files of a diff in it: one of them here."""
    from diff_cover.git_path import GitPathTool
    from diff_cover.violationsreporters.violations_reporter import XmlCoverageReporter

    GitPathTool._cwd, GitPathTool._root = "/ci", "/ci"

    def read():
        document = xml.etree.ElementTree.parse(path)
        return len(XmlCoverageReporter([document]).measured_lines("src/module_1/part_1/file_1.c") or [])

    return read


def diff_cover_diff(path):
    from diff_cover.diff_reporter import GitDiffReporter

    reporter = GitDiffReporter(git_diff=None)
    return lambda: sum(len(added) for added, _ in reporter._parse_diff_str(text(path)).values())


def diff_quality_checkstyle(path):
    from diff_cover.git_path import GitPathTool
    from diff_cover.violationsreporters.java_violations_reporter import CheckstyleXmlDriver

    GitPathTool._cwd, GitPathTool._root = "/ci", "/ci"
    # Declared encodings are refused in text that is decoded already.
    read = lambda: text(path).partition("?>")[2]
    return lambda: sum(len(found) for found in CheckstyleXmlDriver().parse_reports([read()]).values())


def pycobertura(path):
    from pycobertura import Cobertura

    def read():
        report = Cobertura(path)
        return report.total_statements()

    return read


def sarif_tools(path):
    from sarif import loader

    def read():
        file = loader.load_sarif_file(path)
        file.init_default_line_number_1()
        return len(file.get_records())

    return read


# No reader of the format is known that could be had; these are Python's own, written in C, which keep everything.
def whole_json(path):
    return lambda: len(json.loads(text(path)))


def json_lines(path):
    def read():
        with open(path, encoding="utf-8") as lines:
            return sum(1 for line in lines if json.loads(line))

    return read


def whole_xml(path):
    return lambda: sum(1 for _ in xml.etree.ElementTree.parse(path).iter())


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


READERS = {
    "junitparser": junitparser,
    "tap.py": tap,
    "diff-cover-lcov": diff_cover_lcov,
    "diff-cover-xml": diff_cover_xml,
    "diff-cover-diff": diff_cover_diff,
    "diff-quality-checkstyle": diff_quality_checkstyle,
    "pycobertura": pycobertura,
    "sarif-tools": sarif_tools,
    "json": whole_json,
    "json-lines": json_lines,
    "xml": whole_xml,
}

if __name__ == "__main__":
    read = READERS[sys.argv[1]](sys.argv[2])
    began = time.process_time()
    found = read()
    secs = time.process_time() - began
    print(secs, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, found)
