"""Writes the binary sample files of this folder: ``python tests/data/make_samples.py``."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from openpyxl import Workbook

HERE = Path(__file__).parent
ROWS = [
    {"text": "My card has not come.", "label": "card_arrival", "amount": None, "day": "2026-03-01"},
    {"text": "Why was I charged twice? 💳", "label": "double_charge", "amount": 12.5, "day": "2026-03-02"},
    {"text": "כמה זה עולה?", "label": "price", "amount": 3.0, "day": "2026-03-03"},
]
CHATS = [
    {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]},
    {"messages": [{"role": "user", "content": "Bye"}, {"role": "assistant", "content": "Until tomorrow."}]},
]


def write() -> None:
    """Write every binary sample."""
    table, chats = pa.Table.from_pylist(ROWS), pa.Table.from_pylist(CHATS)
    pq.write_table(table, HERE / "columns.parquet", compression="zstd")
    pq.write_table(chats, HERE / "openai_chat.parquet")
    feather.write_feather(table, HERE / "columns.feather")
    with pa.OSFile(str(HERE / "columns.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    pq.write_table(table.slice(0, 2), HERE / "hub_folder/data/train-00000-of-00001.parquet")
    pq.write_table(table.slice(2), HERE / "hub_folder/data/test-00000-of-00001.parquet")
    (HERE / "hub_folder/README.md").write_text("---\nlicense: cc0-1.0\n---\nThree sentences to a bank.\n")
    saved = str(HERE / "saved_dataset/data-00000-of-00001.arrow")
    with pa.OSFile(saved, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (HERE / "saved_dataset/state.json").write_text(
        json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
    )
    (HERE / "saved_dataset/dataset_info.json").write_text(json.dumps({"description": "Three sentences to a bank."}))
    book = Workbook()
    book.active.title = "Tickets"
    book.active.append(list(ROWS[0]))
    for row in ROWS:
        book.active.append(list(row.values()))
    book.create_sheet("Notes").append(["nothing here"])
    book.save(HERE / "columns.xlsx")
    lines = "".join(json.dumps(chat) + "\n" for chat in CHATS).encode()
    (HERE / "openai_chat.jsonl.gz").write_bytes(gzip.compress(lines, mtime=0))
    with pa.CompressedOutputStream(str(HERE / "openai_chat.jsonl.zst"), "zstd") as packed:
        packed.write(lines)
    with zipfile.ZipFile(HERE / "tickets.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tickets/a.csv", "text,label\nOne,1\n")
        archive.writestr("tickets/b.csv", "text,label\nTwo,2\n")
        archive.writestr("README.md", "Two small tables.\n")


if __name__ == "__main__":
    write()
