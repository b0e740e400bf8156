/** What a cell printed, in so few words that a prompt can hold it. */
import type { CodeCell } from '@jupyterlab/cells';
import { isError, isStream } from '@jupyterlab/nbformat';

const LONGEST = 4_000;
const ANSI = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

/** The text of a cell's outputs, without an error. */
export function outputText(cell: CodeCell): string {
  const found = cell.model.outputs.toJSON().flatMap(output => {
    if (isStream(output)) {
      return [join(output.text)];
    }
    const data = (output as { data?: Record<string, unknown> }).data;
    return data?.['text/plain'] ? [join(data['text/plain'])] : [];
  });
  return shorten(found.map(text => text.trimEnd()).join('\n'));
}

/** The traceback of a cell that failed; empty where it did not. */
export function errorText(cell: CodeCell): string {
  const error = cell.model.outputs.toJSON().find(isError);
  if (!error) {
    return '';
  }
  return shorten(error.traceback.join('\n') || `${error.ename}: ${error.evalue}`);
}

/** Cut the middle out: an error's cause stands at its end, a table's head at its beginning. */
function shorten(text: string): string {
  const plain = text.replace(ANSI, '');
  if (plain.length <= LONGEST) {
    return plain;
  }
  return `${plain.slice(0, LONGEST / 4)}\n…\n${plain.slice((-LONGEST * 3) / 4)}`;
}

function join(text: unknown): string {
  return Array.isArray(text) ? text.join('') : String(text);
}
