"""From a prompt to queries: its sentences, the table of each, and what carries over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from aoai_magic.engine.models.offline.lexicon import Language, detect
from aoai_magic.engine.models.offline.parse import parse
from aoai_magic.engine.models.offline.query import Join, Measure, Query, Refusal
from aoai_magic.engine.models.offline.scan import Token, normalize, scan
from aoai_magic.engine.models.offline.schema import Column, Table, split_name

_SENTENCES = re.compile(r"(?<=[?!。？！;；\n])|(?<=[^\W\d]\.)\s+(?=\S)|(?<=\d\.)\s+(?=[A-Z])")
_MOST_READINGS = 64


def understand(
    prompt: str, given: Sequence[Table], tables: Sequence[Table], previous: Query | None
) -> list[Query]:
    """Read a prompt as queries; raise `Refusal` if something is not understood, or not certain.

    `given` are the tables that came with this prompt, `tables` all that there are,
    `previous` the query before, which a sentence may change.
    """
    reader, queries = _Reader(given, tables, detect(prompt)), list[Query]()
    for sentence in filter(str.strip, _SENTENCES.split(normalize(prompt))):
        options = scan(sentence, tables, reader.language)
        if all(any(token.kind in "_uW=" for token in tokens) for tokens in options):
            continue
        found = reader.read(sentence, queries[-1] if queries else previous)
        merged = _merged(queries[-1], found[0]) if queries and len(found) == 1 else None
        queries[len(queries) - bool(merged) :] = [merged] if merged else found
    if not queries:
        raise Refusal("incomplete")
    return queries


def _merged(first: Query, second: Query) -> Query | None:
    """Make one of two that differ in their ends alone: "Plot …. Which month had the most?"."""
    if first.task == "overview" and second == Query(first.table, "missing"):
        return first
    names = ("rank", "plot", "save", "file")
    ends = {name: getattr(second, name) or getattr(first, name) for name in names}
    merged = replace(first, **ends)
    return merged if replace(second, **ends) == merged else None


def _badness(refusal: Refusal) -> tuple[int, int]:
    """Order refusals: one that asks for something says more than one of unknown words."""
    place = {"words": 1, "incomplete": 1}.get(refusal.reason, 0)
    return place, place * len(refusal.words)


class _Reader:
    """Reads sentences of one prompt; finds the table of each."""

    def __init__(self, given: Sequence[Table], tables: Sequence[Table], language: Language) -> None:
        self._pools = dict.fromkeys([tuple(given) or tuple(tables), tuple(tables)])
        self._refusals: list[Refusal] = []
        self.language = language

    def read(self, sentence: str, previous: Query | None) -> list[Query]:
        self._refusals = [] if any(self._pools) else [Refusal("no data")]
        for pool in self._pools:
            found = list(self._in_tables(sentence, pool, previous))
            found = found or list(self._in_joins(sentence, pool))
            if len(found) > 1:
                found = [one for one in found if one[1]] or found
            queries = [query for query, _ in found]
            if len(queries) == 1 or (queries and all(q.task == "overview" for q in queries)):
                return queries
            if queries:
                raise Refusal("which table", *(query.table.label for query in queries))
        raise min(self._refusals, key=_badness)

    def _in_tables(
        self, sentence: str, pool: Sequence[Table], previous: Query | None
    ) -> Iterator[tuple[Query, bool]]:
        """Yield what a sentence means of each table, and whether it names the table."""
        for table in pool:
            tokens = scan(sentence, [table], self.language)
            named = any(token.kind == "r" and token.value == table for o in tokens for token in o)
            before = previous if previous and previous.table.name == table.name else None
            try:
                yield _read(tokens, table, before), named
            except Refusal as refusal:
                self._refusals.append(refusal)

    def _in_joins(self, sentence: str, pool: Sequence[Table]) -> Iterator[tuple[Query, bool]]:
        for left in pool:
            joins = tuple(_joins(left, pool))
            bare = [replace(join.table, columns=()) for join in joins]
            if not joins:
                continue
            more = [c for j in joins for c in j.table.columns if c.name != j.right]
            whole = replace(left, columns=(*left.columns, *more), setup="")
            tokens = scan(sentence, [whole, *bare], self.language)
            if found := _unmatched(tokens, left, joins):
                yield found, True
                return
            try:
                query = _read([_nouns(options, bare) for options in tokens], whole, None)
            except Refusal as refusal:
                self._refusals.append(refusal)
                continue
            if needed := _sound(query, left, joins, tokens):
                yield replace(query, table=left, joins=needed), False


def _repeats(column: Column, rows: int) -> bool:
    """Whether values of a column must come more than once, since there are fewer than rows."""
    ends = re.fullmatch(r"(\d+) (\d+)", f"{column.low} {column.high}")
    return ends is not None and int(ends[2]) - int(ends[1]) + 1 < rows


def _joins(left: Table, pool: Sequence[Table]) -> Iterator[Join]:
    """Yield how every other table is found from the rows of this one, also through others."""
    columns, rest = list(left.columns), [table for table in pool if table is not left]
    while found := [(t, keys) for t in rest if (keys := _keys(columns, left.rows, t))]:
        for table, keys in found:
            yield Join(table, *keys)
            rest.remove(table)
            columns += [column for column in table.columns if column.name != keys[1]]


def _sound(
    query: Query, left: Table, joins: Sequence[Join], tokens: Sequence[Sequence[Token]]
) -> tuple[Join, ...]:
    """Return the joins that a query needs; none if it would count rows more than once."""
    own = {column.name for column in left.columns}
    names = {name for c in query.used for name in (c.formula[::2] if c.formula else (c.name,))}
    # A figure of another table would count its rows once for each of the left one's.
    measured = [{*c.formula[::2]} if c.formula else {c.name} for c in query.columns]
    sound = all(some & own for some in measured)
    # What is counted or listed are the left table's rows.
    others = [join.table.label for join in joins]
    nouns = [o.value.label for one in tokens for o in one if isinstance(o.value, Table)]
    sound &= bool(query.columns) or not {*nouns} & {*others}
    needed = [j for j in joins if names & {c.name for c in j.table.columns} - own]
    through = {join.left for join in needed} - own
    needed += [j for j in joins if j not in needed and through & {c.name for c in j.table.columns}]
    return tuple(join for join in joins if join in needed) if sound else ()


def _unmatched(
    tokens: Sequence[Sequence[Token]], left: Table, joins: Sequence[Join]
) -> Query | None:
    """Read "how many customers have no orders": rows of one table that another one lacks."""
    firsts = [options[0] for options in tokens if options[0].kind not in "_=?|NuW"]
    found = [t for t in firsts if t.kind != "r" or isinstance(t.value, Table)]
    kinds = "".join(token.kind for token in found)
    rows = [token.value for token in found if isinstance(token.value, Table)]
    if kinds not in ("Hr!r", "r^rH", "!rrH") or any(o[0].kind == "?" for o in tokens):
        return None
    few, many = rows if kinds == "Hr!r" else rows[::-1]
    # The rows that are looked for are of the table whose key the other one's rows repeat.
    for join in joins:
        if (few.label, many.label) == (join.table.label, left.label):
            back = Join(left, join.right, join.left)
            return Query(join.table, "unmatched", (back,), (Measure(None),))
    return None


def _read(tokens: Sequence[Sequence[Token]], table: Table, previous: Query | None) -> Query:
    """Try what the tokens may mean together; the surest reading counts, if it is the only one."""
    found: dict[Query, float] = {}
    refusals, asked = list[Refusal](), 0.0
    several = [options for options in tokens if len(options) > 1]
    for place, reading in enumerate(product(*tokens)):
        if place >= _MOST_READINGS:
            raise Refusal("words", *(options[0].text for options in several))
        rank = sum(token.rank for token in reading)
        try:
            query = _finished(parse(reading, table), previous)
        except Refusal as refusal:
            refusals.append(refusal)
            asked = max(asked, rank if not _badness(refusal)[0] else 0.0)
            continue
        found[query] = max(found.get(query, 0.0), rank)
    # A surer reading that only needs to be asked about is not passed over for another.
    if not found or asked > max(found.values()):
        raise min(refusals, key=_badness)
    queries = [query for query, rank in found.items() if rank == max(found.values())]
    counts = [query for query in queries if query.measures == (Measure(None),)]
    if len(counts) == 1 and any(options[0].kind == "H" for options in tokens):
        return counts[0]
    if len(queries) > 1:
        names = [t.column.name for options in several for t in options if t.kind == "v"]
        if len(set(names)) > 1:
            raise Refusal("which value", several[0][0].text, *names)
        raise Refusal("ambiguous", *(options[0].text for options in several))
    return queries[0]


def _nouns(options: Sequence[Token], others: Sequence[Table]) -> list[Token]:
    """Let another table's name be no noun for rows: what is counted are the left one's."""
    return [replace(o, kind="J") if o.kind == "r" and o.value in others else o for o in options]


def _keys(columns: Sequence[Column], rows: int, right: Table) -> tuple[str, str] | None:
    """Find the columns by which rows find theirs in another table."""
    kinds = {c.name: c.kind for c in columns if c.kind in ("text", "number")}
    shared = [c.name for c in right.columns if c.name in {column.name for column in columns}]
    if len(shared) == 1 and kinds.get(shared[0]):
        key = next(c for c in right.columns if c.name == shared[0])
        own = next(c for c in columns if c.name == shared[0])
        backwards = _repeats(key, right.rows) and not _repeats(own, rows)
        return None if backwards else (key.name, key.name)
    named = f"{'_'.join(split_name(right.label))}_id"
    has_id = any(c.name == "id" for c in right.columns)
    return (named, "id") if not shared and named in kinds and has_id else None


# What carries over


def _finished(query: Query, previous: Query | None) -> Query:
    """Finish a query; one without a task of its own changes the query before."""
    if not query.task:
        if previous is None:
            raise Refusal("incomplete")
        return _changed(previous, query)
    carried = previous and (previous.filters or previous.groups)
    bare = not (query.groups or query.filters or query.rank)
    if query.follows and carried and bare and query.task in ("figure", "share"):
        raise Refusal("follow")
    return query


def _changed(previous: Query, new: Query) -> Query:
    changes = (
        new.groups,
        new.filters,
        new.figures,
        new.rank,
        new.plot,
        new.save,
        new.clean,
        new.line,
    )
    compares = any(found.column.is_measure for found in new.filters)
    if not any(changes) or new.ends or new.colour or (compares and not new.follows):
        raise Refusal("incomplete")
    query = replace(previous, save=new.save, file=new.file, notes=new.notes)
    if new.save and not any(changes[:4]):
        query = replace(query, plot="")
    if new.figures:
        query = _with_figures(query, new, compares)
    if new.groups:
        query = _with_groups(query, new)
    changed = {found.column for found in new.filters}
    kept = [found for found in query.filters if found.column not in changed]
    clean = tuple(dict.fromkeys((*query.clean, *new.clean)))
    if new.filters and (query.any_of or new.any_of):
        raise Refusal("follow")
    query = replace(query, filters=(*kept, *new.filters), plot=new.plot or query.plot, clean=clean)
    return _with_rank(query, new) if new.rank else query


def _with_figures(query: Query, new: Query, compares: bool) -> Query:
    """Read "And the mean?", or "And the mean per region?" of whatever was grouped before."""
    columns = list(dict.fromkeys(query.columns))
    sure = not compares and len(columns) == len(query.measures)
    if query.task != "figure" or not columns or not sure or query.step or new.rank:
        raise Refusal("follow")
    measures = tuple(Measure(c, f) for c in columns for f in new.figures)
    groups = () if new.groups else query.groups
    return replace(query, measures=measures, plot="", groups=groups, rank=None)


def _with_groups(query: Query, new: Query) -> Query:
    if query.task not in ("figure", "share") or "" in {m.figure for m in query.measures}:
        raise Refusal("follow")
    times = [group for group in query.groups if group.is_time]
    if (new.rank and new.groups != query.groups) or query.step:
        raise Refusal("follow")
    if new.rank:
        return query
    groups = new.groups
    if new.adds:
        both = (*query.groups, *(group for group in groups if group not in query.groups))
        groups = tuple(sorted(both, key=lambda group: not group.is_time))
        if len(groups) > 2:
            raise Refusal("groups")
    elif len(query.groups) > 1 and len(groups) == 1:
        if not groups[0].is_time or len(times) != 1:
            raise Refusal("follow")
        groups = tuple(groups[0] if group == times[0] else group for group in query.groups)
    return replace(query, groups=groups, rank=None)


def _with_rank(query: Query, new: Query) -> Query:
    """Read "And the lowest?": of the groups, the rows or the figure before."""
    assert new.rank
    if query.task == "figure" and len(query.groups) == 1 and len(query.measures) == 1:
        return replace(query, rank=new.rank, plot=new.plot)
    if query.task == "rows" and query.rank and not query.ends:
        return replace(query, rank=replace(new.rank, count=new.rank.count or query.rank.count))
    wanted, other = ("max", "min") if new.rank.descending else ("min", "max")
    if (
        query.task == "figure"
        and not query.groups
        and {m.figure for m in query.measures} == {other}
    ):
        return replace(query, measures=tuple(replace(m, figure=wanted) for m in query.measures))
    raise Refusal("follow")
