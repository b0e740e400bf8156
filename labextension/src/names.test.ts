import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeName, opensInert, safeName } from './names.js';

test('a name cannot climb, hide or hold control characters', () => {
  assert.equal(safeName('out/top.csv'), 'top.csv');
  assert.equal(safeName('../../.bashrc'), 'bashrc');
  assert.equal(safeName('..\\evil.py'), 'evil.py');
  assert.equal(safeName('a\u202Egnp.\u0007csv'), 'a_gnp._csv');
  assert.equal(safeName('表 1.csv'), '表 1.csv');
  assert.equal(safeName('..'), 'file');
});

test('a long name keeps its suffix', () => {
  const name = safeName('x'.repeat(500) + '.csv');
  assert.equal(name.length, 120);
  assert.ok(name.endsWith('.csv'));
});

test('only what fetches nothing is opened', () => {
  for (const name of ['top.csv', 'a.JSON', 'chart.png', 'notes.txt', 'sales.parquet']) {
    assert.ok(opensInert(name), name);
  }
  for (const name of [
    'a.html',
    'a.svg',
    'a.vl.json',
    'a.vg.JSON',
    'a.vl',
    'a.ipynb',
    'a.geojson',
    'a.pdf',
    'a',
    'a.csv.html'
  ]) {
    assert.ok(!opensInert(name), name);
  }
});

test('a taken name gets a number before its suffix', () => {
  assert.equal(freeName('top.csv', new Set()), 'top.csv');
  assert.equal(freeName('top.csv', new Set(['top.csv', 'top-2.csv'])), 'top-3.csv');
  assert.equal(freeName('file', new Set(['file'])), 'file-2');
});
