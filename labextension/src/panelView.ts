/** A side panel: this notebook's data, conversations and files first, all else folded. */
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  addIcon,
  closeIcon,
  deleteIcon,
  downloadIcon,
  fileIcon,
  imageIcon,
  launchIcon,
  refreshIcon,
  settingsIcon,
  spreadsheetIcon
} from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import { button, element, iconButton } from './dom.js';
import { isTable, opensInert, pictureType } from './names.js';
import { farFiles, type Far, type IFarFile, type Overview, sessionOf } from './overview.js';
import type { Session, Stranger, Thread } from './overview.js';
import * as words from './words.js';

/** What the panel can have done. */
export interface IPanelActions {
  refresh(): void;
  openSettings(): void;
  /** Attach a variable to the active prompt, or to a new one. */
  attach(name: string): void;
  /** Ask in a thread, in the active prompt or a new one. */
  ask(thread: Thread): void;
  /** Give a thread of the engine a name here, and ask in it. */
  adopt(thread: Stranger): void;
  deleteThread(thread: Thread, title: string): void;
  endSession(session: Session): void;
  open(file: IFarFile): void;
  download(file: IFarFile): void;
  deleteFile(file: IFarFile): void;
  /** Delete what the notebook left on the server, after a look at it. */
  cleanUp(): void;
  /** The bytes of a small picture in base64; null where they cannot be had. */
  picture(file: IFarFile): Promise<string | null>;
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
    this.replace(this.head(), note(sentence));
  }

  /** Show what the kernel told; `trouble` is why the server could not be asked. */
  draw(told: Overview, far: Far | null, trouble = ''): void {
    const { trans } = this;
    const files = farFiles(told, far);
    const results = files.filter(file => file.isResult && file.own);
    const uploads = files.filter(file => !file.isResult);
    this.replace(
      this.head(),
      this.model(told),
      note(this.usage(told)),
      ...(trouble ? [note(trouble)] : []),
      ...this.section(
        trans.__('Data'),
        trans.__('No variable can be attached yet.'),
        Object.entries(told.data).map(([name, said]) => this.data(name, said))
      ),
      ...this.section(
        trans.__('Conversations'),
        trans.__('No conversation yet.'),
        told.threads.map(thread => this.thread(thread, told, far))
      ),
      ...this.section(
        trans.__('Files'),
        trans.__('No file yet.'),
        results.map(file => this.file(file))
      ),
      ...this.others(
        far,
        files.filter(file => file.isResult && !file.own)
      ),
      ...this.uploads(uploads),
      ...(told.threads.length || files.some(file => file.own) ? [this.cleanup()] : [])
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

  private head(): HTMLElement {
    const { trans } = this;
    const refresh = iconButton(refreshIcon, trans.__('Refresh'), () => this.actions.refresh());
    return element('div', 'aoai-Panel-head', element('h2', '', trans.__('Assistant')), refresh);
  }

  private model({ target, model, why }: Overview): HTMLElement {
    const { trans } = this;
    const said = words.place(target, trans);
    const fact = element('span', 'aoai-Panel-fact', model ? ` · ${said}` : said);
    const text = element('span', '', element('b', '', model), fact);
    text.title = why;
    const settings = iconButton(settingsIcon, trans.__('Settings'), () =>
      this.actions.openSettings()
    );
    return element('div', 'aoai-Panel-head', text, settings);
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
    return trans.__('This notebook: %1', facts.join(' · '));
  }

  private section(title: string, none: string, items: HTMLElement[]): HTMLElement[] {
    return [element('h3', '', title), items.length ? list(items) : note(none)];
  }

  /** What the notebook did not make: folded, and left open where the user opened it. */
  private fold(key: string, title: string, ...content: HTMLElement[]): HTMLElement {
    const summary = element('summary', 'aoai-Panel-summary', title);
    const made = element('details', 'aoai-Panel-fold', summary, ...content);
    made.open = this.unfolded.has(key);
    made.addEventListener('toggle', () =>
      made.open ? this.unfolded.add(key) : this.unfolded.delete(key)
    );
    return made;
  }

  private others(far: Far | null, files: IFarFile[]): HTMLElement[] {
    const { trans } = this;
    const threads = far?.threads ?? [];
    const sessions = (far?.sessions ?? []).filter(session => session.thread === null);
    const items = [
      ...threads.map(thread => this.stranger(thread, sessions)),
      ...files.map(file => this.file(file))
    ];
    if (!items.length) {
      return [];
    }
    const counts = [
      trans._n('%1 conversation', '%1 conversations', threads.length),
      trans._n('%1 file', '%1 files', files.length)
    ];
    const title = trans.__('Earlier, and other notebooks (%1)', counts.join(', '));
    return [this.fold('others', title, list(items))];
  }

  private uploads(files: IFarFile[]): HTMLElement[] {
    const { trans } = this;
    if (!files.length) {
      return [];
    }
    const title = trans._n('%1 uploaded file', '%1 uploaded files', files.length);
    return [this.fold('uploads', title, list(files.map(file => this.file(file))))];
  }

  private cleanup(): HTMLElement {
    const title = this.trans.__('Delete what this notebook left…');
    return button(deleteIcon, title, () => this.actions.cleanUp());
  }

  private data(name: string, said: string): HTMLElement {
    const { trans } = this;
    const attach = (): void => this.actions.attach(name);
    return row({ name, facts: [said] }, iconButton(addIcon, trans.__('Attach %1', name), attach));
  }

  private thread(thread: Thread, told: Overview, far: Far | null): HTMLElement {
    const { trans, actions } = this;
    const title = thread.title || far?.titles[thread.id] || '';
    const name = thread.name || (title ? `“${title}”` : trans.__('This notebook'));
    const session = sessionOf(thread, told, far);
    return row(
      {
        name,
        title,
        facts: [
          thread.target === told.target ? '' : thread.target,
          words.ago(thread.used, trans),
          ...(session ? this.session(session) : [])
        ]
      },
      iconButton(launchIcon, trans.__('Continue in %1', name), () => actions.ask(thread)),
      ...(session ? [this.closing(session, name)] : []),
      iconButton(deleteIcon, trans.__('Delete the conversation %1', name), () =>
        actions.deleteThread(thread, name)
      )
    );
  }

  private stranger(thread: Stranger, sessions: Session[]): HTMLElement {
    const { trans } = this;
    const name = thread.title ? `“${thread.title}”` : trans.__('Conversation without a question');
    const session = sessions.find(one => one.id === thread.id);
    const facts = [words.ago(thread.created, trans), ...(session ? this.session(session) : [])];
    return row(
      { name, title: thread.title, facts },
      iconButton(launchIcon, trans.__('Continue in %1', name), () => this.actions.adopt(thread)),
      ...(session ? [this.closing(session, name)] : [])
    );
  }

  private session({ memory, expires, busy }: Session): string[] {
    const { trans } = this;
    return [
      memory === null ? '' : trans.__('session %1', words.size(memory, trans)),
      busy ? trans.__('at work') : '',
      expires === null ? '' : trans.__('expires in %1', words.wait(left(expires), trans))
    ];
  }

  private closing(session: Session, name: string): HTMLElement {
    const title = this.trans.__('Close the session of %1', name);
    return iconButton(closeIcon, title, () => this.actions.endSession(session));
  }

  private file(file: IFarFile): HTMLElement {
    const { trans, actions } = this;
    const { name, bytes, target, created, expires, here, isResult } = file;
    const facts = [
      words.size(bytes, trans),
      isResult || here ? '' : target,
      created === null ? '' : words.ago(created, trans),
      expires === null ? '' : trans.__('expires in %1', words.wait(left(expires), trans))
    ];
    const named = { name, facts, thumbnail: this.thumbnail(file) };
    if (!here) {
      return row(named);
    }
    const open = iconButton(launchIcon, trans.__('Open %1', name), () => actions.open(file));
    return row(
      named,
      ...(isResult && opensInert(name) ? [open] : []),
      iconButton(downloadIcon, trans.__('Download %1', name), () => actions.download(file)),
      iconButton(deleteIcon, trans.__('Delete the file %1', name), () => actions.deleteFile(file))
    );
  }

  /** A small picture of a picture; of anything else what kind of file it is. */
  private thumbnail(file: IFarFile): HTMLElement {
    const mediaType = pictureType(file.name);
    const icon = mediaType ? imageIcon : isTable(file.name) ? spreadsheetIcon : fileIcon;
    const frame = element('span', 'aoai-Panel-thumbnail', icon.element({ tag: 'span' }));
    frame.setAttribute('aria-hidden', 'true');
    if (mediaType && file.here && file.own && file.isResult) {
      void this.actions.picture(file).then(data => {
        if (data !== null) {
          const image = element('img', '');
          image.src = `data:${mediaType};base64,${data}`;
          image.alt = '';
          frame.replaceChildren(image);
        }
      });
    }
    return frame;
  }

  private readonly unfolded = new Set<string>();
}

function note(sentence: string): HTMLElement {
  return element('p', 'aoai-Panel-note', sentence);
}

function list(items: HTMLElement[]): HTMLElement {
  return element('ul', 'aoai-Panel-list', ...items);
}

interface INamed {
  readonly name: string;
  /** What the name was made of; the facts stand below such a name. */
  readonly title?: string;
  readonly facts: readonly string[];
  readonly thumbnail?: HTMLElement;
}

function row({ name, title, facts, thumbnail }: INamed, ...actions: HTMLElement[]): HTMLElement {
  const isTall = !!thumbnail || title !== undefined;
  const said = facts.filter(fact => fact).join(' · ');
  const fact = element('span', 'aoai-Panel-fact', said);
  const text = element(
    'span',
    'aoai-Panel-text',
    element('span', 'aoai-Panel-name', name),
    isTall ? element('br', '') : ' ',
    fact
  );
  text.title = [title || name, said].join('\n');
  const bar = element('span', 'aoai-Panel-actions', ...actions);
  return element('li', 'aoai-Panel-item', ...(thumbnail ? [thumbnail] : []), text, bar);
}

/** Seconds from now until a time. */
function left(until: number): number {
  return Math.max(0, until - Date.now() / 1000);
}
