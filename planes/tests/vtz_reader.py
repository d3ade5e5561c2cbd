#!/usr/bin/env python3
"""Reads the test vectors with a reader written from docs/protocol.md section 11 alone.

Slow and plain: what it shows is that the page says all that another end has to know.
"""

import pathlib
import sys

SEEN = {}
FORMATS = {1: ("nv12", 8), 2: ("p010", 10), 3: ("bgra", 8), 4: ("ayuv", 8), 5: ("p210", 10)}
# By place in the row: which component is coded when, and its group.
CODED = {"luma": [(0, 0)], "pairs": [(0, 1), (1, 1)]}
CODED["bgra"] = [(1, 0), (0, 1), (2, 1), (3, 1)]
CODED["ayuv"] = [(1, 0), (2, 1), (3, 1), (0, 1)]


class Bits:
    def __init__(self, data):
        self.value, self.length = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count):
        assert count <= self.length
        value = self.value & ((1 << count) - 1)
        self.value >>= count
        self.length -= count
        return value

    def symbol(self, code):
        length, read = 0, 0
        while (length, read) not in code:
            read = read << 1 | self.take(1)
            length += 1
        return code[length, read]

    def done(self):
        assert self.length < 8


def canonical(symbols, lengths):
    assert sum(2.0**-length for length in lengths) == 1
    code, before, codes = -1, 0, {}
    for length, at in sorted((length, at) for at, length in enumerate(lengths)):
        code = 0 if code < 0 else (code + 1) << (length - before)
        before = length
        codes[length, code] = symbols[at]
    return codes


def packing(cls):
    """Residuals in a symbol, bits of each, and what is added to each."""
    if cls in (1, 2):
        return 4, 2, 1
    if cls in (3, 4):
        return 2, 3, 3
    if cls in (5, 6):
        return 2, 4, 7
    return 1, 8, 0


def low_bits(cls):
    return {13: 1, 14: 1, 18: 1, 15: 2, 16: 2, 19: 2}.get(cls, 0)


def tables(data):
    halves = Bits(data)
    groups = []
    for _ in range(2):
        codes = {}
        for cls in range(1, 17):
            each, bits, add = packing(cls)
            if cls >= 7:
                reach = halves.take(4) | halves.take(4) << 4
                assert 1 <= reach <= 127
                symbols = list(range(reach + 1)) + list(range(256 - reach, 256))
            else:
                symbols = [
                    symbol
                    for symbol in range(1 << (bits * each))
                    if all((symbol >> (bits * k)) % (1 << bits) <= 2 * add for k in range(each))
                ]
            codes[cls] = canonical(symbols, [halves.take(4) for _ in symbols])
        classes = [canonical(range(20), [halves.take(4) for _ in range(20)]) for _ in range(20)]
        groups.append((codes, classes))
    assert halves.length < 8 and halves.value == 0
    return groups


def med(a, b, c, modulo):
    gradient = a + b - c
    if modulo:
        gradient %= 256
    return max(min(a, b), min(max(a, b), gradient))


class Picture:
    def __init__(self, number, width, height):
        (self.name, self.depth), self.width, self.height = FORMATS[number], width, height
        self.tables, self.reference = None, {}
        # What there was: modes, predictors, each in the first strip of a slice or another, and classes.
        self.seen = SEEN.setdefault(self.depth, set())

    def components(self, plane):
        if self.name in ("bgra", "ayuv"):
            return CODED[self.name], self.width
        return (CODED["luma"], self.width) if plane == 0 else (CODED["pairs"], (self.width + 1) // 2)

    def begin(self, head, temporal):
        self.temporal, self.keep = temporal, head[0] & 2
        assert head[0] < 4
        if head[0] & 1:
            self.tables = tables(head[1:])
        self.kept = {}

    def end(self):
        if self.keep:
            self.reference = self.kept

    def slice(self, plane, mode, first, count, data):
        """Gives the bytes of the rows."""
        coded, width = self.components(plane)
        size = 2 if self.depth == 10 else 1
        row_bytes = width * len(coded) * size
        self.seen.add(f"mode {mode}")
        if mode == 1:
            assert len(data) == row_bytes * count
            rows = {(y, c): self.apart(data, y, c, coded, width) for y in range(count) for c in range(len(coded))}
        elif mode == 2:
            assert self.temporal and not data
            rows = {(y, c): self.reference[plane, first + y, c] for y in range(count) for c in range(len(coded))}
        else:
            rows = self.strips(plane, mode, first, count, data, coded, width)
        for (y, c), row in rows.items():
            self.kept[plane, first + y, c] = row
        return data if mode == 1 else self.together(rows, count, coded, width)

    def apart(self, data, y, c, coded, width):
        size, places = (2 if self.depth == 10 else 1), len(coded)
        row = data[y * width * places * size :]
        if size == 2:
            at = lambda x, place: int.from_bytes(row[2 * (x * places + place) :][:2], "little") >> 6
        else:
            at = lambda x, place: row[x * places + place]
        if self.name == "bgra" and coded[c][0] in (0, 2):
            return [(at(x, coded[c][0]) - at(x, 1)) % 256 for x in range(width)]
        return [at(x, coded[c][0]) for x in range(width)]

    def together(self, rows, count, coded, width):
        out = bytearray()
        for y in range(count):
            by_place = {place: rows[y, c] for c, (place, _) in enumerate(coded)}
            for x in range(width):
                for place in range(len(coded)):
                    sample = by_place[place][x]
                    if self.name == "bgra" and place in (0, 2):
                        sample = (sample + by_place[1][x]) % 256
                    out += (sample << 6).to_bytes(2, "little") if self.depth == 10 else bytes([sample])
        return bytes(out)

    def strips(self, plane, mode, first, count, data, coded, width):
        steps = (width + 15 + 15) // 16 * 16
        units = (count + 15) // 16 * len(coded)
        tiles, blocks = steps // 16, steps // 4
        at = (units * tiles + 3) // 4
        packed = Bits(data[:at])
        predictors = [packed.take(2) for _ in range(units * tiles)]
        assert self.temporal or max(predictors) < 2
        groups = [coded[unit % len(coded)][1] for unit in range(units)]
        read = self.planes if mode == 3 else self.streams
        residuals = read(data[at:], units, blocks, groups)
        rows, middle = {}, 1 << (self.depth - 1)
        for unit in range(units):
            strip, c = divmod(unit, len(coded))
            top = strip * 16
            above = rows[top - 1, c] if strip else [middle] * width
            height = min(16, count - top)
            then = None
            if self.temporal:
                then = [self.reference[plane, first + top + y, c] for y in range(height)]
                then_above = self.reference[plane, first + top - 1, c] if strip else [middle] * width
            corner = above[0]
            now = []
            for y in range(height):
                row = []
                for x in range(width):
                    step = x + y
                    predictor = predictors[unit * tiles + step // 16]
                    self.seen.add(f"predictor {predictor} in {'another' if strip else 'the first'} strip")
                    residual = residuals[unit][step * 16 + y]
                    up_row = now[y - 1] if y else above
                    a, b, d = (row[x - 1] if x else corner), up_row[x], (up_row[x - 1] if x else corner)
                    if predictor < 2:
                        guess = (a + b + 1) // 2 if predictor else med(a, b, d, self.depth == 8)
                    else:
                        guess = then[y][x]
                    if predictor == 3:
                        up_then = then[y - 1] if y else then_above
                        ra = then[y][x - 1] if x else corner
                        rb, rd = up_then[x], (up_then[x - 1] if x else corner)
                        if self.depth == 8:
                            moved = [(p - q + 128) % 256 for p, q in ((a, ra), (b, rb), (d, rd))]
                            guess += med(*moved, True) - 128
                        else:
                            guess += med(a - ra, b - rb, d - rd, False)
                    row.append((guess + residual) % (1 << self.depth))
                now.append(row)
                rows[top + y, c] = row
        return rows

    def planes(self, data, units, blocks, _):
        total = units * blocks
        at = (total + 1) // 2
        packed = Bits(data[:at])
        counts = [packed.take(4) for _ in range(total)]
        out = [[] for _ in range(units)]
        for block, count in enumerate(counts):
            assert count <= self.depth
            values = [0] * 64
            for _ in range(count):
                plane = int.from_bytes(data[at : at + 8], "little")
                at += 8
                values = [value << 1 | plane >> k & 1 for k, value in enumerate(values)]
            out[block // blocks] += [-(v + 1) // 2 if v & 1 else v // 2 for v in values]
        assert at == len(data)
        return out

    def streams(self, data, units, blocks, groups):
        at, parts = 36, []
        for part in range(9):
            length = int.from_bytes(data[4 * part : 4 * part + 4], "big")
            parts.append(Bits(data[at : at + length]))
            at += length
        assert at <= len(data)
        classes, *streams = parts
        order = []
        for unit in range(units):
            cls = 0
            for _ in range(blocks):
                cls = classes.symbol(self.tables[groups[unit]][1][cls])
                order.append((unit, cls))
        classes.done()
        out = [[] for _ in range(units)]
        self.seen.update(f"class {cls}" for _, cls in order)
        for unit, cls in order:
            each, bits, add = packing(cls)
            residuals = []
            for stream in streams:
                for _ in range(0 if cls == 0 else 8 // each):
                    code = self.tables[groups[unit]][0].get(cls)
                    symbol = stream.take(8) if cls >= 17 else stream.symbol(code)
                    if each == 1:
                        residuals.append(symbol - 256 if symbol > 127 else symbol)
                    else:
                        residuals += [(symbol >> (bits * k)) % (1 << bits) - add for k in range(each)]
            residuals = residuals or [0] * 64
            low = low_bits(cls)
            assert low == 0 or self.depth == 10
            residuals = [residual << low for residual in residuals]
            for bit in range(low):
                plane = int.from_bytes(data[at : at + 8], "little")
                at += 8
                residuals = [value | (plane >> k & 1) << bit for k, value in enumerate(residuals)]
            out[unit] += residuals
        for stream in streams:
            stream.done()
        assert data[at:] == bytes(8)
        return out


def main():
    picture, count = None, 0
    lines = pathlib.Path(__file__).with_name("vtz_vectors.txt").read_text().splitlines()
    for line in lines:
        kind, *words = line.split()
        if kind == "picture":
            picture, begun = Picture(*map(int, words)), False
        elif kind == "frame":
            if begun:
                picture.end()
            temporal, begun = words[0] == "temporal", True
        elif kind == "head":
            picture.begin(bytes.fromhex(words[0]), temporal)
        elif kind == "slice":
            plane, mode, first, rows = map(int, words[:4])
            data = bytes.fromhex(words[4]) if len(words) > 4 else b""
            read = picture.slice(plane, mode, first, rows, data)
        elif kind == "rows":
            if read.hex() != words[0]:
                sys.exit(f"slice {count} differs")
            count += 1
    for depth, seen in SEEN.items():
        wanted = {f"mode {mode}" for mode in range(1, 5)}
        wanted |= {f"predictor {p} in {strip} strip" for p in range(4) for strip in ("the first", "another")}
        # Of the strongest blocks ten bits have classes with low bits.
        classes = set(range(20)) - ({12, 17} if depth == 10 else {cls for cls in range(20) if low_bits(cls)})
        wanted |= {f"class {cls}" for cls in classes}
        if wanted - seen:
            sys.exit(f"{depth} bits: no {', '.join(sorted(wanted - seen))}")
    assert count > 0
    print(f"{count} slices read as they should be")


main()
