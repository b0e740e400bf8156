/** A table of an answer as a grid: sorted, filtered, scrolled through and copied. */
import { Clipboard, Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { caretDownIcon, caretUpIcon, closeIcon, copyIcon } from '@jupyterlab/ui-components';
import {
  BasicKeyHandler,
  BasicMouseHandler,
  BasicSelectionModel,
  DataGrid,
  TextRenderer
} from '@lumino/datagrid';
import { MessageLoop } from '@lumino/messaging';
import { PanelLayout, Widget } from '@lumino/widgets';
import { button, element, iconButton } from './dom.js';
import { openModel, type PagedModel } from './pagedModel.js';
import type { IOrder, TableSource } from './tableSource.js';

const MOST_HEIGHT = 360;
const ROW_HEIGHT = 22;
/** Rows that are copied at once: the clipboard is no file. */
const MOST_COPIED = 100_000;
const CHARACTER_WIDTH = 8;
const WIDEST = 320;
const TYPING_PAUSE = 250;

/** Open a table as a grid; a sentence where it cannot be had. */
export async function openGrid(
  source: TableSource,
  name: string,
  trans: TranslationBundle
): Promise<Widget | string> {
  const model = await openModel(source);
  return typeof model === 'string' ? model : new GridView(model, name, trans);
}

class GridView extends Widget {
  constructor(
    private readonly model: PagedModel,
    name: string,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('aoai-Grid');
    this.node.setAttribute('role', 'group');
    this.node.setAttribute('aria-label', trans.__('Table %1', name));
    this.grid = new DataGrid({
      defaultSizes: {
        rowHeight: ROW_HEIGHT,
        columnWidth: 120,
        rowHeaderWidth: 0,
        columnHeaderHeight: ROW_HEIGHT
      }
    });
    this.grid.dataModel = model;
    this.grid.selectionModel = new BasicSelectionModel({ dataModel: model });
    this.grid.mouseHandler = new BasicMouseHandler();
    this.grid.keyHandler = new CopyKeys(() => void this.copy());
    this.grid.node.setAttribute('role', 'application');
    this.grid.node.setAttribute('aria-label', trans.__('Table %1', name));
    const rows = Math.min(model.total + 2, MOST_HEIGHT / ROW_HEIGHT);
    this.grid.node.style.height = `${rows * ROW_HEIGHT}px`;
    const layout = new PanelLayout();
    this.layout = layout;
    layout.addWidget(new Widget({ node: this.bar() }));
    layout.addWidget(this.grid);
    this.grid.node.addEventListener('click', event => this.sortByHeader(event));
    this.status.setAttribute('role', 'status');
    model.report = trouble => this.describe(trouble);
    this.paint();
    this.describe('');
    this.setWidths();
  }

  override dispose(): void {
    this.themes.disconnect();
    super.dispose();
  }

  protected override onAfterAttach(): void {
    this.themes.observe(document.body, { attributeFilter: ['data-jp-theme-name'] });
  }

  /** Give each column the width of its texts. */
  private setWidths(): void {
    this.model.columns.forEach((_, place) => {
      const width = this.model.longest(place) * CHARACTER_WIDTH + 30;
      this.grid.resizeColumn('body', place, Math.min(width, WIDEST));
    });
    // Now, while nothing is shown: later each column would be painted anew, which takes long.
    MessageLoop.flush();
  }

  private bar(): HTMLElement {
    const { trans } = this;
    const filter = element('input', 'aoai-Grid-filter');
    filter.type = 'search';
    filter.placeholder = trans.__('Filter rows');
    filter.setAttribute('aria-label', trans.__('Filter rows'));
    filter.addEventListener('input', () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.arrange({ words: filter.value }), TYPING_PAUSE);
    });
    const copy = trans.__('Copy the selected rows, or all');
    return element(
      'div',
      'aoai-Bar aoai-Grid-bar',
      filter,
      this.sorting(),
      iconButton(caretUpIcon, trans.__('Ascending'), () => this.arrange({ descending: false })),
      iconButton(caretDownIcon, trans.__('Descending'), () => this.arrange({ descending: true })),
      button(copyIcon, trans.__('Copy'), () => void this.copy(), copy),
      this.status,
      iconButton(closeIcon, trans.__('Close'), () => this.dispose())
    );
  }

  /** The choice of a column, for those who use no mouse; a click on a heading does the same. */
  private sorting(): HTMLElement {
    const { trans, model, choice } = this;
    const names = [trans.__('Not sorted'), ...model.columns.map(column => column.name)];
    choice.append(
      ...names.map((name, place) => {
        const option = element('option', '', name);
        option.value = String(place - 1);
        return option;
      })
    );
    choice.setAttribute('aria-label', trans.__('Sort by'));
    choice.addEventListener('change', () => this.arrange({ sort: sortOf(choice.value) }));
    return choice;
  }

  private sortByHeader({ clientX, clientY }: MouseEvent): void {
    const hit = this.grid.hitTest(clientX, clientY);
    // Near an edge a column is resized.
    const isEdge = hit.x < 6 || hit.width - hit.x < 6;
    if (hit.region === 'column-header' && !isEdge) {
      const { sort, descending } = this.model.order;
      const again = sort === hit.column;
      this.choice.value = String(hit.column);
      this.arrange({ sort: hit.column, descending: again && !descending });
    }
  }

  private arrange(change: Partial<IOrder>): void {
    const order = { ...this.model.order, ...change };
    this.status.textContent = this.trans.__('Sorting…');
    void this.model.arrange(order);
  }

  /** Say how many rows there are, or why they are not shown. */
  private describe(trouble: string): void {
    const { trans, model } = this;
    const shown = model.rowCount('body');
    const total = model.total.toLocaleString();
    const counted =
      shown === model.total
        ? trans._n('%2 row', '%2 rows', shown, total)
        : trans.__('%1 of %2 rows', shown.toLocaleString(), total);
    this.status.textContent = trouble || counted;
  }

  private async copy(): Promise<void> {
    const { trans, model } = this;
    const chosen = this.grid.selectionModel?.currentSelection();
    const count = model.rowCount('body');
    const [r1, r2] = chosen ? [chosen.r1, chosen.r2].sort((a, b) => a - b) : [0, count - 1];
    const [c1, c2] = chosen
      ? [chosen.c1, chosen.c2].sort((a, b) => a - b)
      : [0, model.columns.length - 1];
    const to = Math.min((r2 ?? 0) + 1, count);
    const from = r1 ?? 0;
    if (to - from > MOST_COPIED) {
      const most = MOST_COPIED.toLocaleString();
      Notification.warning(trans.__('At most %1 rows are copied; filter or select some.', most));
      return;
    }
    const rows = await model.read(from, to);
    if (typeof rows === 'string') {
      Notification.warning(rows);
      return;
    }
    const head = model.columns.map(column => column.name);
    const lines = [head, ...rows].map(row =>
      row
        .slice(c1, (c2 ?? 0) + 1)
        .map(cell => cell.replace(/[\t\r\n]+/g, ' '))
        .join('\t')
    );
    Clipboard.copyToSystem(lines.join('\n'));
    Notification.success(
      trans._n('%2 row copied.', '%2 rows copied.', rows.length, rows.length.toLocaleString()),
      { autoClose: 2_000 }
    );
  }

  /** Take the colours of the theme, which a canvas does not by itself. */
  private paint(): void {
    const styles = getComputedStyle(document.body);
    const colour = (name: string): string => styles.getPropertyValue(`--jp-${name}`).trim();
    this.grid.style = {
      ...DataGrid.defaultStyle,
      voidColor: colour('layout-color1'),
      backgroundColor: colour('layout-color1'),
      headerBackgroundColor: colour('layout-color2'),
      gridLineColor: colour('border-color2'),
      headerGridLineColor: colour('border-color2')
    };
    const isNumber = ({ column }: { column: number }): boolean =>
      this.model.columns[column]?.isNumber ?? false;
    const renderer = new TextRenderer({
      font: `${colour('ui-font-size1') || '13px'} ${colour('ui-font-family') || 'sans-serif'}`,
      textColor: colour('ui-font-color1'),
      horizontalAlignment: cell => (isNumber(cell) ? 'right' : 'left')
    });
    this.grid.cellRenderers.update({ body: renderer, 'column-header': renderer });
  }

  private readonly themes = new MutationObserver(() => this.paint());
  private readonly status = element('span', 'aoai-Grid-status');
  private readonly choice = element('select', 'aoai-Grid-choice');
  private readonly grid: DataGrid;
  private typing: ReturnType<typeof setTimeout> | undefined;
}

/** Copies by our own way: rows that were not in sight are fetched first. */
class CopyKeys extends BasicKeyHandler {
  constructor(private readonly copy: () => void) {
    super();
  }

  protected override onKeyC(grid: DataGrid, event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      event.stopPropagation();
      this.copy();
    } else {
      super.onKeyC(grid, event);
    }
  }
}

function sortOf(value: string): number | null {
  return Number(value) < 0 ? null : Number(value);
}
