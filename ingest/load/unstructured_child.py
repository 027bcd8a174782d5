"""A file on standard input, the same as HTML on standard output, by unstructured.

Runs as a program of its own, started by unstructured_offline.py: it can be stopped when it takes
too long, and what unstructured imports or would like to report stays in here.
"""

from __future__ import annotations

import io
import sys


def main() -> int:
    """Convert; the format is the first argument. A failure is told on standard error."""
    from unstructured.file_utils.file_conversion import convert_file_to_html_text_using_pandoc

    try:
        html = convert_file_to_html_text_using_pandoc(
            sys.argv[1], file=io.BytesIO(sys.stdin.buffer.read())
        )
    except (RuntimeError, OSError, ValueError) as error:
        sys.stderr.write("conversion failed: " + str(error).strip()[:500])
        return 2
    sys.stdout.buffer.write(html.encode("utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
