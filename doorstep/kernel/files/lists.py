"""Reading an uploaded list: xlsx or csv bytes → rows of text by field, bounded in bytes, rows and columns."""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

from django.utils.translation import gettext_lazy as _
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from doorstep.kernel.common.errors import Invalid, Text

MAX_BYTES = 4 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024  # a small xlsx can unpack to a very large one
MAX_COLUMNS = 30
MAX_ROWS = 5000
EMPTY_LINES_A_ROW = 20  # a sheet whose empty lines were formatted can claim a million rows: looking is bounded, too


class ListUnreadable(Invalid):
    code = "list_unreadable"
    text = _("这个文件读不出来。")
    remedy = _("请用模板另存为 xlsx 或 csv 再上传。")


class ListTooLarge(Invalid):
    code = "list_too_large"
    text = _("文件太大,一次最多 4 MB。")
    remedy = _("请把名单分成几份上传。")


class ListTooLong(Invalid):
    code = "list_too_long"
    text = _("名单超过 {limit} 行,一行也没有收下。")
    remedy = _("请把名单分成几份上传。")


class ListHeaderWrong(Invalid):
    code = "list_header_wrong"
    text = _("第一行缺少这些列:{columns}。")
    remedy = _("请对照模板改好表头再上传。")


class ListEmpty(Invalid):
    code = "list_empty"
    text = _("名单里一行也没有。")
    remedy = _("请填好名单再上传。")


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a list: its name in the program, its title in the sample, other titles people write."""

    field: str
    title: str
    also: tuple[str, ...] = ()
    compulsory: bool = True
    label: Text = ""


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row as it was written; ``number`` is what the spreadsheet shows at its left. A missing column reads as empty."""

    number: int
    values: Mapping[str, str]

    def __getitem__(self, field: str) -> str:
        return self.values.get(field, "")


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
                raise ListTooLarge("file")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise ListUnreadable("file") from error
    try:
        sheet = book.worksheets[0] if book.worksheets else None
        if sheet is None:
            raise ListUnreadable("file")
        for row in sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True):
            yield [_text(cell) for cell in row]
    except (BadZipFile, KeyError, ValueError, TypeError, SyntaxError) as error:  # a damaged sheet inside a good archive
        raise ListUnreadable("file") from error
    finally:
        book.close()


def _csv(content: bytes) -> Iterator[list[str]]:
    if b"\0" in content:
        raise ListUnreadable("file")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise ListUnreadable("file")
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            yield [_text(cell) for cell in row[:MAX_COLUMNS]]
    except csv.Error as error:
        raise ListUnreadable("file") from error


def _places(header: Sequence[str], columns: Sequence[Column]) -> dict[str, int]:
    """Field → place in the row. Raises: ListHeaderWrong, naming every compulsory column that is missing."""
    titles = {title.lower(): column.field for column in columns for title in (column.title, column.field, *column.also)}
    found: dict[str, int] = {}
    for index, cell in enumerate(header):
        field = titles.get(cell.strip().lower().removeprefix("\ufeff"))
        if field and field not in found:
            found[field] = index
    missing = [column.title for column in columns if column.compulsory and column.field not in found]
    if missing:
        raise ListHeaderWrong("file", columns="、".join(f"「{title}」" for title in missing))
    return found


def read_list(content: bytes, columns: Sequence[Column], max_rows: int = MAX_ROWS) -> list[ListRow]:
    """The rows below the header, empty ones left out, numbered as the spreadsheet numbers them.

    Raises: ListTooLarge, ListUnreadable, ListHeaderWrong, ListTooLong, ListEmpty.
    """
    if len(content) > MAX_BYTES:
        raise ListTooLarge("file")
    if not content.strip():
        raise ListEmpty("file")
    lines = _xlsx(content) if content.startswith(b"PK\x03\x04") else _csv(content)
    places = _places(next(lines, []), columns)
    rows: list[ListRow] = []
    for number, cells in enumerate(lines, start=2):
        values = {field: cells[place].strip() for field, place in places.items() if place < len(cells)}
        if any(values.values()):
            rows.append(ListRow(number, values))
        if len(rows) > max_rows or number > EMPTY_LINES_A_ROW * max_rows:
            raise ListTooLong("file", limit=f"{max_rows:,}")
    if not rows:
        raise ListEmpty("file")
    return rows


def sample(columns: Sequence[Column], lines: Sequence[Sequence[str]] = ()) -> bytes:
    """An empty list to fill in, as csv that spreadsheets open with the right letters."""
    text = io.StringIO()
    csv.writer(text).writerows([[column.title for column in columns], *lines])
    return text.getvalue().encode("utf-8-sig")
