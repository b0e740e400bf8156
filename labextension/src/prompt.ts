/**
 * The text of an assistant cell: what a magic line says, and how one is written.
 *
 * Options and mentions are those of `aoai_magic/notebook/magics.py` and `aoai_magic/attach/resolve.py`.
 */

/** Options of the magic that are followed by a value; the others are flags. */
export const VALUE_OPTIONS: readonly string[] = [
  '-o',
  '--out',
  '-t',
  '--thread',
  '-m',
  '--model',
  '--mcp',
  '--on',
  '--effort',
  '--instructions',
  '--rows',
  '--cells',
  '--about',
  '--as',
  '--save',
  '--timeout',
  '--max-tokens',
  '--max-cost',
  '--search',
  '--tool',
  '--tool-choice'
];

/** Of these, those that are followed by values up to the next option. */
export const MANY_VALUES: readonly string[] = ['--search'];

const THREAD = ['-t', '--thread'];
const TARGET = ['--on'];

const MAGIC = /^\s*%%(?:assistant|aoai)(?=\s|$)/;
// A word after an @ that does not itself follow a word, as it would in an address; a Japanese
// or Chinese word may stand before it without a space.
const MENTION = /(?<![A-Za-z0-9_@./+-])@(?=[\p{L}\p{N}_~./-])/gu;
const MENTION_WORD = /(?<![A-Za-z0-9_@./+-])@[\p{L}\p{N}_~./-]+/gu;
const EXPRESSION = /\{\{.+?\}\}/g;
const WORD = /(?:[^\s'"]|'[^']*'|"(?:\\.|[^"\\])*")+|['"].*$/g;

export type Kind = 'magic' | 'option' | 'value' | 'item' | 'expression';

/** A stretch of text, as offsets from the beginning of the cell. */
export interface IToken {
  readonly kind: Kind;
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** What the magic line of a prompt cell says. */
export interface IMagicLine {
  readonly items: readonly string[];
  readonly thread: string | null;
  readonly isNew: boolean;
  readonly target: string | null;
  readonly model: string | null;
  /** The number of the cell that the question is about. */
  readonly about: number | null;
}

/** Whether a cell is a prompt. */
export function isPrompt(source: string): boolean {
  return MAGIC.test(source);
}

/** The meaningful stretches of a prompt cell in their order; none for any other cell. */
export function tokens(source: string): IToken[] {
  const magic = MAGIC.exec(source);
  if (!magic) {
    return [];
  }
  const end = lineEnd(source);
  const from = magic[0].length - magic[0].trimStart().length;
  const head: IToken = { kind: 'magic', from, to: magic[0].length, text: magic[0].trimStart() };
  return [head, ...lineTokens(source, magic[0].length, end), ...bodyTokens(source, end)];
}

/** Read a magic line; null where the cell is no prompt. */
export function readMagicLine(source: string): IMagicLine | null {
  if (!isPrompt(source)) {
    return null;
  }
  const found = tokens(source).filter(token => token.to <= lineEnd(source));
  const value = (...names: string[]): string | null => valueOf(found, names);
  return {
    items: found.filter(token => token.kind === 'item').map(token => unquote(token.text)),
    thread: value(...THREAD),
    isNew: found.some(token => token.text === '--new'),
    target: value(...TARGET),
    model: value('-m', '--model'),
    about: Number(value('--about')) || null
  };
}

/** Add an item to the magic line of a prompt that does not name it yet. */
export function withItem(source: string, item: string): string {
  if (readMagicLine(source)?.items.includes(item)) {
    return source;
  }
  const end = lineEnd(source);
  const line = source.slice(0, end).trimEnd();
  return `${line} ${quote(item)}${source.slice(end)}`;
}

/** The words that ask in a thread, each where it is given. */
export function inThread(thread?: string | null, target?: string | null): string[] {
  return [...(thread ? ['-t', quote(thread)] : []), ...(target ? ['--on', quote(target)] : [])];
}

/** Have a prompt ask in a thread: what its line says of one is replaced. */
export function withThread(source: string, thread: string, target?: string | null): string {
  const end = lineEnd(source);
  const line = tokens(source).filter(token => token.to <= end);
  const given = [...THREAD, ...(target ? TARGET : [])];
  const kept = line.filter(
    ({ kind, text }, place) =>
      !(kind === 'option' && (given.includes(text.split('=', 1)[0] ?? '') || text === '--new')) &&
      !(kind === 'value' && given.includes(line[place - 1]?.text ?? ''))
  );
  const words = [...kept.map(({ text }) => text), ...inThread(thread, target)];
  return `${words.join(' ')}${source.slice(end)}`;
}

/** Write a prompt cell: the magic with its words, then the text. */
export function writePrompt(words: readonly string[], text: string): string {
  return `${['%%assistant', ...words].join(' ')}\n${text}`;
}

/** Write a word so that the magic line takes it as one. */
export function quote(word: string): string {
  if (/^[\p{L}\p{N}_@%+=:,./~-]+$/u.test(word)) {
    return word;
  }
  return word.includes("'") ? `"${word.replace(/[\\"$`]/g, '\\$&')}"` : `'${word}'`;
}

/** Whether `@path` in the text of a prompt names that path. */
export function canMention(path: string): boolean {
  return /^[\p{L}\p{N}_~./-]+$/u.test(path);
}

/**
 * Put foreign text into a prompt, fenced.
 *
 * An `@` there must not attach a file of that name: a space after it changes no Python.
 */
export function quoteBlock(text: string, language: string): string {
  return fence(text.replace(MENTION, '@ '), language);
}

/** A Markdown block of text that nothing in it can end. */
export function fence(text: string, language: string): string {
  const runs = text.match(/`{3,}/g) ?? [];
  const marks = '`'.repeat(Math.max(3, ...runs.map(run => run.length + 1)));
  return `${marks}${language}\n${text.replace(/\n+$/, '')}\n${marks}`;
}

/** The words of Python code that may be names of variables. */
export function names(code: string): string[] {
  return [...new Set(code.match(/[\p{L}_][\p{L}\p{N}_]*/gu) ?? [])];
}

function lineEnd(source: string): number {
  // Blank lines may stand above the magic.
  const start = source.length - source.trimStart().length;
  const end = source.indexOf('\n', start);
  return end < 0 ? source.length : end;
}

function lineTokens(source: string, from: number, to: number): IToken[] {
  const found: IToken[] = [];
  let wantsValue = false;
  let wantsMore = false;
  for (const match of source.slice(from, to).matchAll(WORD)) {
    const text = match[0];
    const isOption: boolean = (wantsMore || !wantsValue) && text.startsWith('-');
    const kind = isOption ? 'option' : wantsValue ? 'value' : 'item';
    wantsMore = isOption ? MANY_VALUES.includes(text) : wantsMore;
    wantsValue = wantsMore || (isOption && VALUE_OPTIONS.includes(text));
    found.push({ kind, from: from + match.index, to: from + match.index + text.length, text });
  }
  return found;
}

function bodyTokens(source: string, from: number): IToken[] {
  const body = source.slice(from);
  const all = (pattern: RegExp, kind: Kind): IToken[] =>
    [...body.matchAll(pattern)].map(match => ({
      kind,
      from: from + match.index,
      to: from + match.index + match[0].length,
      text: match[0]
    }));
  const expressions = all(EXPRESSION, 'expression');
  const mentions = all(MENTION_WORD, 'item').filter(
    item => !expressions.some(other => item.from < other.to && other.from < item.to)
  );
  return [...expressions, ...mentions].sort((one, other) => one.from - other.from);
}

function valueOf(found: readonly IToken[], wanted: readonly string[]): string | null {
  for (const [place, token] of found.entries()) {
    if (token.kind !== 'option') {
      continue;
    }
    const next = found[place + 1];
    if (wanted.includes(token.text) && next?.kind === 'value') {
      return unquote(next.text);
    }
    const [name, value] = token.text.split(/=(.*)/s);
    if (name && value !== undefined && wanted.includes(name)) {
      return unquote(value);
    }
  }
  return null;
}

function unquote(word: string): string {
  return word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"/g, (_, single, double) =>
    single !== undefined ? single : String(double).replace(/\\(.)/g, '$1')
  );
}
