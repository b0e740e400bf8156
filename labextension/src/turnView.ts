/** The last line of an answer: what it is, and what can be done with it. */
import type { IRenderMime } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  addBelowIcon,
  copyIcon,
  editIcon,
  launchIcon,
  refreshIcon,
  searchIcon
} from '@jupyterlab/ui-components';
import { PanelLayout, Widget } from '@lumino/widgets';
import { chips, downloadButton } from './chips.js';
import { button, download, element, textButton } from './dom.js';
import { gridButton, showGrid } from './gridPanel.js';
import { forkIcon } from './icons.js';
import { isTable, safeName } from './names.js';
import { answer, canFork, type IPicture, MEDIA_TYPE, readRecord } from './record.js';
import type { TurnRecord } from './record.js';
import { drawnSource } from './tableSource.js';
import * as words from './words.js';

/** What the view needs of the notebook around it. */
export interface ISurroundings {
  /** Do something with the cell that the element is in. */
  run(command: string, node: Node): void;
  /** The pictures above the element; none outside of a notebook. */
  pictures(turn: TurnRecord, node: Node): IPicture[];
  /** Whether the turn suggests a change of the cell that it is about. */
  hasChange(turn: TurnRecord, node: Node): boolean;
  /** Whether the element stands in a notebook that is open. */
  isInNotebook(node: Node): boolean;
  /** The tables that the answer draws, the longest first; none outside of a notebook. */
  tables(node: Node): HTMLTableElement[];
  /** Put a question into a new cell below the one that the element is in. */
  ask(question: string, node: Node): void;
  zoom(picture: IPicture): void;
}

/** Draws a turn from the saved record alone; no kernel is asked. */
export class TurnView extends Widget implements IRenderMime.IRenderer {
  constructor(
    private readonly around: ISurroundings,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('aoai-Turn');
    // As JupyterLab's own renderers say it, for styles and tests.
    this.node.dataset.mimeType = MEDIA_TYPE;
    this.panels.addWidget(new Widget({ node: this.body }));
    this.layout = this.panels;
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.turn = readRecord(model.data[MEDIA_TYPE]);
    this.plain = String(model.data['text/plain'] ?? '');
    this.draw();
  }

  protected override onAfterAttach(): void {
    // Only now can it be told where this stands.
    this.draw();
  }

  private draw(): void {
    const { turn } = this;
    if (!turn) {
      this.body.replaceChildren(element('pre', 'aoai-Turn-plain', this.plain));
      return;
    }
    const failed = words.status(turn, this.trans);
    const line = element('div', 'aoai-Turn-line', this.facts(turn), this.actions(turn));
    this.body.replaceChildren(
      ...(failed ? [element('div', 'aoai-Turn-status', failed)] : []),
      line,
      ...this.results(turn),
      ...this.questions(turn),
      this.provenance(turn)
    );
  }

  private facts(turn: TurnRecord): HTMLElement {
    return element('span', 'aoai-Turn-facts', words.facts(turn, this.trans).join(' · '));
  }

  private actions(turn: TurnRecord): HTMLElement {
    const { trans } = this;
    const bar = element('div', 'aoai-Turn-actions');
    bar.setAttribute('role', 'group');
    bar.setAttribute('aria-label', trans.__('What to do with this answer'));
    const run = (command: string) => () => this.around.run(`aoai-magic:${command}`, this.node);
    if (!this.around.isInNotebook(this.node)) {
      return bar;
    }
    bar.append(button(copyIcon, trans.__('Copy'), run('copy-answer'), trans.__('Copy the answer')));
    if (turn.cell) {
      const caption = trans.__('Put the Python of this answer into a new cell below');
      bar.append(button(addBelowIcon, trans.__('Insert code'), run('insert-code'), caption));
    }
    if (hasOwnTable(turn)) {
      const caption = trans.__('Show the table as a grid that sorts, filters and copies');
      bar.append(gridButton(trans, () => this.showTable(), caption));
    }
    if (this.around.hasChange(turn, this.node)) {
      const caption = trans.__('Show the suggested change in the cell');
      bar.append(button(editIcon, trans.__('Show change'), run('show-change'), caption));
    }
    const further = trans.__('Ask further in the same thread, in a new cell below');
    const copy = trans.__(
      'Ask further in a copy of the thread that ends here, in a new cell below'
    );
    const again = trans.__('Run this cell again');
    bar.append(
      button(launchIcon, trans.__('Continue'), run('continue'), further),
      ...(canFork(turn) ? [button(forkIcon, trans.__('Fork'), run('fork'), copy)] : []),
      button(refreshIcon, trans.__('Ask again'), run('ask-again'), again)
    );
    return bar;
  }

  /** Pictures, each with what can be done with it. */
  private results(turn: TurnRecord): HTMLElement[] {
    const pictures = this.around.pictures(turn, this.node).map(picture => this.picture(picture));
    return chips(this.trans.__('Pictures of this answer'), pictures);
  }

  private picture(picture: IPicture): HTMLElement {
    const { trans } = this;
    const name = safeName(picture.name);
    return element(
      'li',
      'aoai-Turn-result',
      element('span', 'aoai-Turn-name', name),
      button(
        searchIcon,
        trans.__('Enlarge'),
        () => this.around.zoom(picture),
        trans.__('Enlarge %1', name)
      ),
      downloadButton(name, trans, () => download(name, picture.data, picture.mediaType))
    );
  }

  private showTable(): void {
    const sources = this.around.tables(this.node).slice(0, 1).map(drawnSource);
    void showGrid(this.panels, sources, this.trans.__('of this answer'), this.trans);
  }

  /** What the model offers to be asked next; mere text outside of a notebook. */
  private questions(turn: TurnRecord): HTMLElement[] {
    const { trans } = this;
    const caption = trans.__('Put this question into a new cell below');
    const isInNotebook = this.around.isInNotebook(this.node);
    const items = (turn.questions ?? []).map(question => {
      const ask = () => this.around.ask(question, this.node);
      const chip = isInNotebook ? textButton(question, ask, caption) : question;
      return element('li', 'aoai-Turn-question', chip);
    });
    return chips(trans.__('You could ask next'), items);
  }

  private provenance(turn: TurnRecord): HTMLElement {
    const rows = words.provenance(turn, this.trans).map(([name, value]) => {
      const head = element('th', '', name);
      head.scope = 'row';
      return element('tr', '', head, element('td', '', value));
    });
    const table = element('table', 'aoai-Turn-provenance', ...rows);
    const title = this.trans.__('Details');
    const summary = element('summary', 'aoai-Turn-summary', title);
    return element('details', 'aoai-Turn-details', summary, table);
  }

  private readonly panels = new PanelLayout();
  private readonly body = element('div', '');
  private turn: TurnRecord | null = null;
  private plain = '';
}

/** The line of dashes below the names of a Markdown table's columns. */
const DASHES = /^ *\|?(?: *:?-+:? *\|)+(?: *:?-+:? *)?$/m;

/**
 * Whether the answer shows a table that is none of its files: those have their grid there, and
 * what is drawn of them is only their head.
 */
function hasOwnTable(turn: TurnRecord): boolean {
  return DASHES.test(answer(turn)) && !turn.files.some(file => isTable(safeName(file.name)));
}
