/** A side panel with the kernel's data and threads, and what the server holds. */
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  addIcon,
  closeIcon,
  deleteIcon,
  downloadIcon,
  launchIcon,
  refreshIcon
} from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import { button, element } from './dom.js';
import { farFiles, type Far, type IFarFile, type Overview } from './overview.js';
import type { Session, Stranger, Thread } from './overview.js';
import * as words from './words.js';

/** What the panel can have done. */
export interface IPanelActions {
  refresh(): void;
  /** Attach a variable to the active prompt, or to a new one. */
  attach(name: string): void;
  /** Ask in a thread, in the active prompt or a new one. */
  ask(thread: Thread): void;
  /** Give a thread of the engine a name here, and ask in it. */
  adopt(thread: Stranger): void;
  deleteThread(thread: Thread): void;
  endSession(session: Session): void;
  download(file: IFarFile): void;
  deleteFile(file: IFarFile): void;
  deleteSent(count: number): void;
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
    this.replace(this.refreshing(), note(sentence));
  }

  /** Show what the kernel told; `trouble` is why the server could not be asked. */
  draw(told: Overview, far: Far | null, trouble = ''): void {
    const { trans } = this;
    const files = farFiles(told, far);
    const sent = told.files.filter(file => file.here).length;
    this.replace(
      this.refreshing(),
      element('p', 'aoai-Panel-text', [told.target, told.model].filter(fact => fact).join(' · ')),
      note(told.why),
      note(this.usage(told)),
      ...(trouble ? [note(trouble)] : []),
      ...this.section(
        trans.__('Data of this notebook'),
        trans.__('No variable can be attached yet.'),
        Object.entries(told.data).map(([name, said]) => this.data(name, said))
      ),
      ...this.section(
        trans.__('Threads of this notebook'),
        trans.__('No threads yet.'),
        told.threads.map(thread => this.thread(thread))
      ),
      ...this.section(
        trans.__('Sessions'),
        trans.__('No Python session is alive.'),
        (far?.sessions ?? []).map(session => this.session(session))
      ),
      ...this.section(
        trans.__('Uploaded Files'),
        trans.__('Nothing of yours is on the server.'),
        files.map(file => this.file(file))
      ),
      ...(sent ? [this.deletion(sent)] : []),
      ...(far?.threads.length
        ? this.section(
            trans.__('Other threads there'),
            '',
            far.threads.map(thread => this.stranger(thread))
          )
        : [])
    );
  }

  protected override onAfterShow(): void {
    this.actions.refresh();
  }

  /** Put other content in place, and the keyboard's focus back where it was. */
  private replace(...content: HTMLElement[]): void {
    const { activeElement } = document;
    const title = this.node.contains(activeElement) ? activeElement?.getAttribute('title') : null;
    const { scrollTop } = this.node;
    this.node.replaceChildren(...content);
    this.node.scrollTop = scrollTop;
    if (title) {
      const buttons = [...this.node.querySelectorAll<HTMLElement>('button')];
      (buttons.find(one => one.title === title) ?? buttons[0])?.focus();
    }
  }

  private refreshing(): HTMLElement {
    return button(refreshIcon, this.trans.__('Refresh'), () => this.actions.refresh());
  }

  private usage({ turns, usage, cost }: Overview): string {
    const { trans } = this;
    const total = usage.input_tokens + usage.output_tokens;
    const facts = [trans._n('%1 turn', '%1 turns', turns)];
    // Rules and recordings take none.
    if (total) {
      facts.push(words.tokens(total, trans));
    }
    if (cost) {
      facts.push(`${words.cost(cost.dollars, trans)} (${cost.as_of})`);
    }
    if (cost?.unknown) {
      const count = cost.unknown;
      facts.push(trans._n('%1 turn of unknown price', '%1 turns of unknown price', count));
    }
    return facts.join(' · ');
  }

  private section(title: string, none: string, items: HTMLElement[]): HTMLElement[] {
    const body = items.length ? element('ul', 'aoai-Panel-list', ...items) : note(none);
    return [element('h3', '', title), body];
  }

  private data(name: string, said: string): HTMLElement {
    const { trans } = this;
    const attach = (): void => this.actions.attach(name);
    return item(
      name,
      [said],
      button(addIcon, trans.__('Attach'), attach, trans.__('Attach %1', name))
    );
  }

  private thread(thread: Thread): HTMLElement {
    const { trans, actions } = this;
    const name = thread.name || trans.__('this kernel');
    return item(
      name,
      [thread.target, time(thread.used)],
      this.continuing(name, () => actions.ask(thread)),
      button(
        deleteIcon,
        trans.__('Delete…'),
        () => actions.deleteThread(thread),
        trans.__('Delete the thread %1', name)
      )
    );
  }

  private stranger(thread: Stranger): HTMLElement {
    const name = thread.title || thread.id;
    return item(
      name,
      [time(thread.created)],
      this.continuing(name, () => this.actions.adopt(thread))
    );
  }

  private continuing(name: string, ask: () => void): HTMLElement {
    const { trans } = this;
    return button(launchIcon, trans.__('Continue'), ask, trans.__('Continue in %1', name));
  }

  private session(session: Session): HTMLElement {
    const { trans } = this;
    const { thread, memory, expires, busy } = session;
    const name = thread === '' ? trans.__('this kernel') : (thread ?? session.id);
    return item(
      name,
      [
        memory === null ? '' : words.size(memory, trans),
        busy ? trans.__('at work') : '',
        expires === null ? '' : trans.__('ends in %1', words.duration(left(expires), trans))
      ],
      button(
        closeIcon,
        trans.__('Close…'),
        () => this.actions.endSession(session),
        trans.__('Close the session of %1', name)
      )
    );
  }

  private file(file: IFarFile): HTMLElement {
    const { trans, actions } = this;
    const { name, bytes, target, expires, here } = file;
    const gone =
      expires === null ? '' : trans.__('deleted in %1', words.duration(left(expires), trans));
    const facts = [words.size(bytes, trans), target || trans.__('created by the assistant'), gone];
    if (!here) {
      return item(name, facts);
    }
    const download = (): void => actions.download(file);
    const remove = (): void => actions.deleteFile(file);
    return item(
      name,
      facts,
      button(downloadIcon, trans.__('Download'), download, trans.__('Download %1', name)),
      button(deleteIcon, trans.__('Delete…'), remove, trans.__('Delete the file %1', name))
    );
  }

  private deletion(count: number): HTMLElement {
    const remove = (): void => this.actions.deleteSent(count);
    return button(deleteIcon, this.trans.__('Delete all uploaded files…'), remove);
  }
}

function note(sentence: string): HTMLElement {
  return element('p', 'aoai-Panel-note', sentence);
}

function item(name: string, facts: readonly string[], ...actions: HTMLElement[]): HTMLElement {
  const said = facts.filter(fact => fact).join(', ');
  const quiet = element('span', 'aoai-Panel-fact', ` ${said}`);
  const text = element('span', 'aoai-Panel-text', name, quiet);
  const bar = element('span', 'aoai-Panel-actions', ...actions);
  return element('li', 'aoai-Panel-item', text, ...(actions.length ? [bar] : []));
}

/** Seconds from now until a time. */
function left(until: number): number {
  return Math.max(0, until - Date.now() / 1000);
}

function time(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString();
}
