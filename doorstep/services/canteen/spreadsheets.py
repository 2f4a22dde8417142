"""Reading an uploaded list: xlsx or csv bytes → rows of text, bounded in bytes, rows and columns."""

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any
from zipfile import BadZipFile

from django.utils.translation import gettext_lazy as _
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from doorstep.kernel.common.errors import Invalid
from doorstep.services.canteen.rules.rows import MAX_ROWS, Row, columns_of

MAX_BYTES = 4 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024  # a small xlsx can unpack to a very large one
MAX_COLUMNS = 30
MAX_LINES = 20 * MAX_ROWS
FIELDS = ("name", "phone", "identity_number", "count")


class ListUnreadable(Invalid):
    code = "list_unreadable"
    text = _("这个文件读不出来。")
    remedy = _("请用模板另存为 xlsx 或 csv 再上传。")

    def __init__(self) -> None:
        super().__init__("file")


class ListTooLarge(Invalid):
    code = "list_too_large"
    text = _("文件太大,一次最多 4 MB。")
    remedy = _("请把名单分成几份上传。")

    def __init__(self) -> None:
        super().__init__("file")


class ListTooLong(Invalid):
    code = "list_too_long"
    text = _("名单超过 {limit} 行,一行也没有发。")
    remedy = _("请把名单分成几份上传。")

    def __init__(self) -> None:
        super().__init__("file", limit=f"{MAX_ROWS:,}")


class ListHeaderWrong(Invalid):
    code = "list_header_wrong"
    text = _("第一行没有找到「姓名」和「手机号」两列。")
    remedy = _("请对照模板改好表头再上传。")

    def __init__(self) -> None:
        super().__init__("file")


class ListEmpty(Invalid):
    code = "list_empty"
    text = _("名单里一行也没有。")
    remedy = _("请填好名单再上传。")

    def __init__(self) -> None:
        super().__init__("file")


def _text(cell: Any) -> str:
    """A cell as people see it: 13807310001.0 is a phone number that a spreadsheet took for a number."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _xlsx(content: bytes) -> Iterator[list[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise ListTooLarge
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise ListUnreadable from error
    try:
        sheet = book.worksheets[0] if book.worksheets else None
        if sheet is None:
            raise ListUnreadable
        for row in sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True):
            yield [_text(cell) for cell in row]
    except (BadZipFile, KeyError, ValueError, TypeError, SyntaxError) as error:  # a damaged sheet inside a good archive
        raise ListUnreadable from error
    finally:
        book.close()


def _csv(content: bytes) -> Iterator[list[str]]:
    if b"\0" in content:
        raise ListUnreadable
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise ListUnreadable
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            yield [_text(cell) for cell in row[:MAX_COLUMNS]]
    except csv.Error as error:
        raise ListUnreadable from error


def read_rows(content: bytes) -> list[Row]:
    """The rows below the header, empty ones left out, numbered as the spreadsheet numbers them.

    Raises: ListTooLarge, ListUnreadable, ListHeaderWrong, ListTooLong, ListEmpty.
    """
    if len(content) > MAX_BYTES:
        raise ListTooLarge
    if not content.strip():
        raise ListEmpty
    lines = _xlsx(content) if content.startswith(b"PK\x03\x04") else _csv(content)
    columns = columns_of(next(lines, []))
    if columns is None:
        raise ListHeaderWrong
    rows: list[Row] = []
    for number, cells in enumerate(lines, start=2):
        values = {field: cells[columns[field]] if columns.get(field, 10**6) < len(cells) else "" for field in FIELDS}
        if any(values.values()):
            rows.append(Row(number=number, **values))
        # A sheet whose empty lines were formatted can claim a million rows: looking is bounded, too.
        if len(rows) > MAX_ROWS or number > MAX_LINES:
            raise ListTooLong
    if not rows:
        raise ListEmpty
    return rows
