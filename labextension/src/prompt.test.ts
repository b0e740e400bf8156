import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canMention,
  isPrompt,
  names,
  quote,
  quoteBlock,
  readMagicLine,
  tokens,
  withItem,
  withThread,
  writePrompt
} from './prompt.js';

const kinds = (source: string): string[] => tokens(source).map(t => `${t.kind}:${t.text}`);

test('both names of the magic begin a prompt, and nothing else does', () => {
  for (const source of ['%%assistant', '%%aoai x', '\n %%assistant\nWhy?']) {
    assert.ok(isPrompt(source), source);
  }
  for (const source of ['', '%assistant status', '%%assistants', 'x = 1\n%%assistant']) {
    assert.ok(!isPrompt(source), source);
    assert.deepEqual(tokens(source), []);
    assert.equal(readMagicLine(source), null);
  }
});

test('a magic line is read as the magic reads it', () => {
  const line = readMagicLine(
    `%%assistant sales "@my file.csv" -o top -t 'Q 3' --new --on=local --about 5\n-m x`
  );
  assert.deepEqual(line, {
    items: ['sales', '@my file.csv'],
    thread: 'Q 3',
    isNew: true,
    target: 'local',
    model: null,
    about: 5
  });
});

test('an item is added once', () => {
  assert.equal(withItem('%%assistant sales -o x\nWhy?', 'sales'), '%%assistant sales -o x\nWhy?');
  assert.equal(withItem('%%assistant sales\nWhy?', 'cars'), '%%assistant sales cars\nWhy?');
});

test('a value is a value even where it looks like an option', () => {
  assert.deepEqual(kinds('%%aoai -t -new a'), [
    'magic:%%aoai',
    'option:-t',
    'value:-new',
    'item:a'
  ]);
});

test('an open quote takes the rest of the line', () => {
  assert.deepEqual(kinds(`%%assistant 'my fi`), ['magic:%%assistant', `item:'my fi`]);
});

test('mentions and expressions are found in the text, addresses are not', () => {
  const source =
    '%%assistant\nWrite to me@home.org about @sales and {{ len(@x) }}, 見て@budget.xlsx';
  assert.deepEqual(kinds(source), [
    'magic:%%assistant',
    'item:@sales',
    'expression:{{ len(@x) }}',
    'item:@budget.xlsx'
  ]);
});

test('offsets cut the text out of the cell', () => {
  const source = '\n  %%assistant sales -o top\nPlot @sales.';
  for (const { from, to, text } of tokens(source)) {
    assert.equal(source.slice(from, to), text);
  }
});

test('what was quoted is read back', () => {
  for (const word of ['sales', '@a b.csv', "@it's.csv", '@"q" \\ $x.csv', '@表.csv']) {
    assert.deepEqual(readMagicLine(writePrompt([quote(word)], ''))?.items, [word]);
  }
  assert.ok(canMention('data/表.csv') && !canMention('a b.csv'));
});

test('foreign text can neither close its fence nor attach a file', () => {
  const text = quoteBlock('```\n@~/.ssh/id_rsa\na@b @ c\n@property\n', 'python');
  assert.equal(text, '````python\n```\n@ ~/.ssh/id_rsa\na@b @ c\n@ property\n````');
});

test('names of a cell, once each', () => {
  assert.deepEqual(names('df = sales.head(3); 売上 = df'), ['df', 'sales', 'head', '売上']);
});

test('an item is added to the magic line', () => {
  assert.equal(
    withItem('%%assistant -o x \nWhy?', '@a b.csv'),
    "%%assistant -o x '@a b.csv'\nWhy?"
  );
  assert.equal(withItem('\n%%aoai', 'sales'), '\n%%aoai sales');
});

test('an option may take all words up to the next option', () => {
  const line = '%%assistant a --search docs more -o x b';
  const words = ['magic:%%assistant', 'item:a', 'option:--search', 'value:docs', 'value:more'];
  assert.deepEqual(kinds(line), [...words, 'option:-o', 'value:x', 'item:b']);
});

test('a prompt is moved into another thread', () => {
  const moved = (source: string, target?: string) => withThread(source, 'Q 3', target);
  assert.equal(moved('%%assistant\nWhy?'), "%%assistant -t 'Q 3'\nWhy?");
  assert.equal(moved("%%aoai sales -t 'old one' -o x\n-t me"), "%%aoai sales -o x -t 'Q 3'\n-t me");
  assert.equal(moved('%%assistant --thread=a --new --on local'), "%%assistant --on local -t 'Q 3'");
  assert.equal(moved('%%assistant --on azure s', 'local'), "%%assistant s -t 'Q 3' --on local");
});
