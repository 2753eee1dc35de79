"""Profiles a table of comma, semicolon or tab separated values from standard input or a file."""
import argparse
import collections
import csv
import io
import json
import statistics
import sys

TOP = 3


def number(text):
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None


def kind(values):
    if not values:
        return "empty"
    numbers = [number(value) for value in values]
    if all(value is not None for value in numbers):
        return "integer" if all(value == int(value) for value in numbers) else "number"
    if all(value.lower() in ("true", "false", "yes", "no") for value in values):
        return "boolean"
    if any(value is not None for value in numbers) and sum(value is not None for value in numbers) > len(numbers) / 2:
        return "mixed"
    return "text"


def profile(rows, names):
    columns = []
    for index, name in enumerate(names):
        cells = [row[index].strip() if index < len(row) else "" for row in rows]
        values = [cell for cell in cells if cell != ""]
        column = {
            "name": name,
            "type": kind(values),
            "missing": len(cells) - len(values),
            "distinct": len(set(values)),
            "top": collections.Counter(values).most_common(TOP),
        }
        if column["type"] in ("integer", "number"):
            numbers = [number(value) for value in values]
            column.update(min=min(numbers), max=max(numbers), mean=round(statistics.fmean(numbers), 6))
        columns.append(column)
    return {"rows": len(rows), "columns": columns}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", help="standard input unless given")
    parser.add_argument("--no-header", action="store_true", help="the first line holds values")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        text = open(options.file, encoding="utf-8-sig", newline="").read() if options.file else sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"The table can not be read: {error}")
    if text.strip() == "":
        sys.exit("The table is empty.")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    width = max(len(row) for row in rows)
    names = [f"column {i + 1}" for i in range(width)] if options.no_header else rows.pop(0)
    result = profile(rows, names)
    uneven = sum(len(row) != len(names) for row in rows)
    if uneven:
        result["uneven_rows"] = uneven
    if options.json:
        return print(json.dumps(result, ensure_ascii=False))
    print(f"{result['rows']} rows, {len(names)} columns" + (f", {uneven} rows of another width" if uneven else ""))
    for column in result["columns"]:
        figures = f", {column['min']:g} to {column['max']:g}, mean {column['mean']:g}" if "mean" in column else ""
        top = ", ".join(f"{value} ({count})" for value, count in column["top"])
        print(f"- {column['name']}: {column['type']}, {column['missing']} missing, {column['distinct']} distinct{figures}; {top}")


main()
