import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, readRecord } from './record.js';

const CITED = { number: 1, file: 'handbook.pdf', place: 'page 3' };

function record(passages: unknown): unknown {
  return {
    version: 1,
    thread: 't',
    target: 'local',
    model: 'm',
    status: 'completed',
    usage: { input_tokens: 1, output_tokens: 1, cached_tokens: 0 },
    parts: [
      { type: 'text', id: 't', text: 'Paid [1].\n' },
      { type: 'sources', id: 't/sources', passages }
    ],
    files: []
  };
}

test('what is copied names the sources that it cites', () => {
  const turn = readRecord(record([CITED, { ...CITED, number: 2, place: '' }]));
  assert.ok(turn);
  assert.equal(answer(turn), 'Paid [1].\n\n[1] handbook.pdf page 3  \n[2] handbook.pdf');
});

test('sources of another shape are no turn', () => {
  for (const passages of [undefined, {}, [null], [{ ...CITED, number: '1' }], [{ number: 1 }]]) {
    assert.equal(readRecord(record(passages)), null);
  }
});
