/** The files of an answer: what each is, and what can be done with it. */
import type { IRenderMime } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { launchIcon } from '@jupyterlab/ui-components';
import { PanelLayout, Widget } from '@lumino/widgets';
import { chips, downloadButton } from './chips.js';
import { button, download, element } from './dom.js';
import { gridButton, showGrid } from './gridPanel.js';
import { isTable, opensInert, safeName } from './names.js';
import { FILES_TYPE, readFiles, type TurnFile } from './record.js';
import type { TableSource } from './tableSource.js';
import * as words from './words.js';

/** What the view needs of the notebook around it. */
export interface INotebookAround {
  /** Opens a file; null outside of a notebook, where nothing can be saved. */
  opener(node: Node): ((file: TurnFile) => void) | null;
  /** Where the rows of a table come from: the kernel, or what is saved, if any. */
  sources(file: TurnFile, node: Node): TableSource[];
}

/** Draws the list of files from what is saved alone; no kernel is asked. */
export class FilesView extends Widget implements IRenderMime.IRenderer {
  constructor(
    private readonly around: INotebookAround,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('aoai-Turn');
    this.node.dataset.mimeType = FILES_TYPE;
    const layout = new PanelLayout();
    layout.addWidget(new Widget({ node: this.list }));
    this.layout = layout;
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.files = readFiles(model.data[FILES_TYPE]);
    this.plain = String(model.data['text/plain'] ?? '');
    this.draw();
  }

  protected override onAfterAttach(): void {
    // Only now can it be told where this stands.
    this.draw();
  }

  private draw(): void {
    const items = this.files?.map(file => this.chip(file));
    this.list.replaceChildren(
      ...(items
        ? chips(this.trans.__('Files of this answer'), items)
        : [element('pre', 'aoai-Turn-plain', this.plain)])
    );
  }

  private chip(file: TurnFile): HTMLElement {
    const { trans } = this;
    const name = safeName(file.name);
    const facts = `${file.kind}, ${words.size(file.size, trans)}`;
    const item = element(
      'li',
      'aoai-Turn-result',
      element('span', 'aoai-Turn-name', `${name} (${facts})`)
    );
    item.title = file.way;
    const { data } = file;
    if (isTable(name) && this.around.opener(this.node)) {
      const caption = trans.__('Show %1 as a grid that sorts, filters and copies', name);
      item.append(gridButton(trans, () => void this.showGrid(file), caption));
    }
    if (data === null) {
      item.append(element('code', '', file.way));
      return item;
    }
    const open = opensInert(name) ? this.around.opener(this.node) : null;
    if (open) {
      const caption = trans.__('Save %1 into a folder beside the notebook and open it', name);
      item.append(button(launchIcon, trans.__('Open'), () => open(file), caption));
    }
    item.append(downloadButton(name, trans, () => download(name, data)));
    return item;
  }

  private showGrid(file: TurnFile): Promise<void> {
    const sources = this.around.sources(file, this.node);
    return showGrid(this.layout as PanelLayout, sources, safeName(file.name), this.trans);
  }

  private readonly list = element('div', '');
  private files: TurnFile[] | null = null;
  private plain = '';
}
