/** A side panel with the kernel's data, threads and uploaded files. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, deleteIcon, launchIcon, refreshIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import { button, element } from './dom.js';
import type { IFarFile, IOverview, IThread } from './overview.js';
import { duration, size, tokens } from './words.js';

/** What the panel can have done. */
export interface IPanelActions {
  refresh(): void;
  /** Attach a variable to the active prompt, or to a new one. */
  attach(name: string): void;
  /** Ask in a thread, in a new prompt. */
  ask(thread: IThread): void;
  deleteFiles(files: readonly IFarFile[]): void;
}

/** Shows an overview; all of its texts may come from data, so they are only ever text. */
export class PanelView extends Widget {
  constructor(
    private readonly actions: IPanelActions,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.id = 'aoai-magic-panel';
    this.addClass('aoai-Panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Assistant'));
    this.title.caption = trans.__('Assistant');
  }

  /** Whether nothing was told yet. */
  get isEmpty(): boolean {
    return !this.node.hasChildNodes();
  }

  /** Show a sentence in place of everything. */
  say(sentence: string): void {
    this.node.replaceChildren(this.refreshing(), element('p', 'aoai-Panel-note', sentence));
  }

  /** Show what the kernel told. */
  draw(told: IOverview): void {
    const { trans } = this;
    const use = [trans._n('%1 turn', '%1 turns', told.turns), tokens(told.tokens, trans)];
    this.node.replaceChildren(
      this.refreshing(),
      element('p', 'aoai-Panel-text', [told.target, told.model].filter(fact => fact).join(' · ')),
      element('p', 'aoai-Panel-note', told.why),
      element('p', 'aoai-Panel-note', use.join(' · ')),
      ...this.section(
        trans.__('Data of this notebook'),
        trans.__('No variable can be attached yet.'),
        told.data.map(([name, said]) => this.data(name, said))
      ),
      ...this.section(
        trans.__('Threads'),
        trans.__('No threads yet.'),
        told.threads.map(thread => this.thread(thread))
      ),
      ...this.section(
        trans.__('Uploaded files'),
        trans.__('Nothing of yours is on the far side.'),
        told.files.map(file => this.file(file))
      ),
      ...(told.files.length ? [this.deletion(told.files)] : [])
    );
  }

  protected override onAfterShow(): void {
    this.actions.refresh();
  }

  private refreshing(): HTMLElement {
    return button(refreshIcon, this.trans.__('Refresh'), () => this.actions.refresh());
  }

  private section(title: string, none: string, items: HTMLElement[]): HTMLElement[] {
    const body = items.length
      ? element('ul', 'aoai-Panel-list', ...items)
      : element('p', 'aoai-Panel-note', none);
    return [element('h3', '', title), body];
  }

  private data(name: string, said: string): HTMLElement {
    const { trans } = this;
    const attach = (): void => this.actions.attach(name);
    return item(
      name,
      said,
      button(addIcon, trans.__('Attach'), attach, trans.__('Attach %1', name))
    );
  }

  private thread(thread: IThread): HTMLElement {
    const { trans } = this;
    const used = new Date(thread.used * 1000).toLocaleString();
    const name = thread.name || trans.__('this kernel');
    const ask = (): void => this.actions.ask(thread);
    return item(
      name,
      `${thread.target}, ${used}`,
      button(launchIcon, trans.__('Continue'), ask, trans.__('Continue in %1', name))
    );
  }

  private file({ name, bytes, target, expires }: IFarFile): HTMLElement {
    const { trans } = this;
    const left = expires === null ? null : Math.max(0, expires - Date.now() / 1000);
    const gone = left === null ? '' : trans.__('deleted in %1', duration(left, trans));
    return item(name, [size(bytes, trans), target, gone].filter(fact => fact).join(', '));
  }

  private deletion(files: readonly IFarFile[]): HTMLElement {
    const remove = (): void => this.actions.deleteFiles(files);
    return button(deleteIcon, this.trans.__('Delete uploaded files…'), remove);
  }
}

function item(name: string, fact: string, ...actions: HTMLElement[]): HTMLElement {
  const words = element('span', 'aoai-Panel-fact', ` ${fact}`);
  const text = element('span', 'aoai-Panel-text', name, words);
  return element('li', 'aoai-Panel-item', text, ...actions);
}
