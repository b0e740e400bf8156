/** The error of a cell in so few words that a prompt can hold it. */
import type { CodeCell } from '@jupyterlab/cells';
import { isError } from '@jupyterlab/nbformat';

const LONGEST = 500;

/** What went wrong in a cell, in one line; empty where nothing did. */
export function errorText(cell: CodeCell): string {
  const error = cell.model.outputs.toJSON().find(isError);
  return error ? `${error.ename}: ${error.evalue}`.slice(0, LONGEST) : '';
}
