/** A grid's data, fetched in pages as they come into sight. */
import { DataModel } from '@lumino/datagrid';
import type { IColumn, IOrder, IPage, TableSource } from './tableSource.js';

const PAGE_ROWS = 200;
/** Pages that are kept: the whole of a large table would fill the browser. */
const KEPT_PAGES = 100;

const UNSORTED: IOrder = { sort: null, descending: false, words: '' };

export class PagedModel extends DataModel {
  constructor(
    private readonly source: TableSource,
    first: IPage
  ) {
    super();
    this.columns = first.columns;
    this.total = first.total;
    this.count = first.count;
    this.keep(0, first.rows);
  }

  readonly columns: readonly IColumn[];
  readonly total: number;
  order: IOrder = UNSORTED;
  /** Called after each answer: why there is no page, or an empty text. */
  report: (trouble: string) => void = () => undefined;

  rowCount(region: DataModel.RowRegion): number {
    return region === 'body' ? this.count : 1;
  }

  columnCount(region: DataModel.ColumnRegion): number {
    return region === 'body' ? this.columns.length : 0;
  }

  data(region: DataModel.CellRegion, row: number, column: number): string {
    if (region === 'column-header') {
      const { sort, descending } = this.order;
      const mark = sort === column ? (descending ? ' ▼' : ' ▲') : '';
      return `${this.columns[column]?.name ?? ''}${mark}`;
    }
    const page = Math.floor(row / PAGE_ROWS);
    const rows = this.pages.get(page);
    if (!rows) {
      void this.fetch(page);
    }
    return rows?.[row % PAGE_ROWS]?.[column] ?? '';
  }

  /** The most characters of a column among the rows of the first page, its name included. */
  longest(column: number): number {
    const texts = (this.pages.get(0) ?? []).map(row => row[column] ?? '');
    return Math.max(...[this.columns[column]?.name ?? '', ...texts].map(text => text.length));
  }

  /** Have other rows, or another order. */
  async arrange(order: IOrder): Promise<void> {
    this.order = order;
    const page = await this.source(order, 0, PAGE_ROWS);
    if (order !== this.order) {
      return; // changed again meanwhile
    }
    if (typeof page === 'string') {
      this.report(page);
      return;
    }
    this.count = page.count;
    this.pages.clear();
    this.keep(0, page.rows);
    this.emitChanged({ type: 'model-reset' });
    this.report('');
  }

  /** Rows as texts, fetched where they are not at hand. */
  async read(from: number, to: number): Promise<(readonly string[])[] | string> {
    const found: (readonly string[])[] = [];
    while (from + found.length < to) {
      const limit = Math.min(PAGE_ROWS, to - from - found.length);
      const page = await this.source(this.order, from + found.length, limit);
      if (typeof page === 'string' || !page.rows.length) {
        return typeof page === 'string' ? page : found;
      }
      found.push(...page.rows);
    }
    return found;
  }

  private async fetch(number: number): Promise<void> {
    if (this.fetching.has(number)) {
      return;
    }
    this.fetching.add(number);
    const { order } = this;
    const page = await this.source(order, number * PAGE_ROWS, PAGE_ROWS);
    this.fetching.delete(number);
    if (typeof page === 'string') {
      this.report(page);
    } else if (order === this.order) {
      this.report('');
      this.keep(number, page.rows);
      this.emitChanged({
        type: 'cells-changed',
        region: 'body',
        row: number * PAGE_ROWS,
        column: 0,
        rowSpan: page.rows.length,
        columnSpan: this.columns.length
      });
    }
  }

  private keep(number: number, rows: IPage['rows']): void {
    this.pages.set(number, rows);
    const oldest = this.pages.keys().next().value;
    if (this.pages.size > KEPT_PAGES && oldest !== undefined) {
      this.pages.delete(oldest);
    }
  }

  private count: number;
  private readonly pages = new Map<number, IPage['rows']>();
  private readonly fetching = new Set<number>();
}

/** Open a table at its first page; a reason where it cannot be had. */
export async function openModel(source: TableSource): Promise<PagedModel | string> {
  const first = await source(UNSORTED, 0, PAGE_ROWS);
  return typeof first === 'string' ? first : new PagedModel(source, first);
}
