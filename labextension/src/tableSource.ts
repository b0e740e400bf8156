/** Where the rows of a grid come from: the kernel by pages, or what is saved. */
import type { ISessionContext } from '@jupyterlab/apputils';
import { dsvFormat } from 'd3-dsv';
import { askPatiently } from './kernel.js';

export interface IColumn {
  readonly name: string;
  readonly isNumber: boolean;
}

/** Which rows there are, and in which order. */
export interface IOrder {
  /** The place of a column; null for the table's own order. */
  readonly sort: number | null;
  readonly descending: boolean;
  /** What some cell of a row holds, without regard to case. */
  readonly words: string;
}

export interface IPage {
  readonly columns: readonly IColumn[];
  /** Rows of the table. */
  readonly total: number;
  /** Rows that hold the words. */
  readonly count: number;
  readonly rows: readonly (readonly string[])[];
}

/** Gives a page, or the reason why it cannot. */
export type TableSource = (order: IOrder, offset: number, limit: number) => Promise<IPage | string>;

/** A table among the files that the kernel's turns made. */
export function kernelSource(
  session: ISessionContext,
  name: string,
  sha256: string,
  silence: string
): TableSource {
  return async (order, offset, limit) => {
    const question = { table: name, sha256, offset, limit, ...order };
    const reply = await askPatiently<'table'>(session, question);
    return reply?.rows ? (reply as IPage) : (reply?.error ?? silence);
  };
}

/** A small table that is saved in the notebook as CSV or TSV. */
export function savedSource(text: string, separator: string): TableSource {
  const [head = [], ...rows] = dsvFormat(separator).parseRows(text);
  return rowsSource(head, rows);
}

/** A table that is drawn on the page, as Markdown. */
export function drawnSource(table: HTMLTableElement): TableSource {
  const [head = [], ...rows] = [...table.rows].map(row =>
    [...row.cells].map(cell => (cell.textContent ?? '').trim())
  );
  return rowsSource(head, rows);
}

function rowsSource(head: readonly string[], rows: string[][]): TableSource {
  const columns = head.map((name, place) => ({
    name,
    isNumber: rows.every(row => !row[place] || !Number.isNaN(numberOf(row[place])))
  }));
  return async (order, offset, limit) => {
    const found = arranged(rows, columns, order);
    const page = found.slice(offset, offset + limit);
    return { columns, total: rows.length, count: found.length, rows: page };
  };
}

/** A number as people write it: "1,234.5", "12 %". */
function numberOf(text: string): number {
  return Number(text.replace(/(?<=\d),(?=\d{3})|\s?%$/g, ''));
}

function arranged(rows: string[][], columns: readonly IColumn[], order: IOrder): string[][] {
  const words = order.words.toLowerCase();
  const found = rows.filter(row => row.some(cell => cell.toLowerCase().includes(words)));
  const { sort, descending } = order;
  if (sort === null) {
    return found;
  }
  const sign = descending ? -1 : 1;
  const compare = columns[sort]?.isNumber
    ? (one: string, other: string): number => numberOf(one) - numberOf(other)
    : (one: string, other: string): number => (one < other ? -1 : Number(one > other));
  return found.sort((one, other) => {
    const [a = '', b = ''] = [one[sort], other[sort]];
    // As in the kernel, what is missing stands last.
    return a && b ? sign * compare(a, b) : Number(!a) - Number(!b);
  });
}
