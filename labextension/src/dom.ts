/** Making elements. Texts come from models and data, so they only ever become text nodes. */
import type { LabIcon } from '@jupyterlab/ui-components';

/** Make an element with a class and children; strings become text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

/** Make a button with an icon and a text; the caption, if any, is its tooltip. */
export function button(
  icon: LabIcon,
  label: string,
  onClick: () => void,
  caption = ''
): HTMLButtonElement {
  const text = element('span', 'aoai-Action-label', label);
  const made = element('button', 'aoai-Action', icon.element({ tag: 'span' }), text);
  made.type = 'button';
  made.title = caption || label;
  made.addEventListener('click', onClick);
  return made;
}

/** Make a button of a text; the caption is its tooltip. */
export function textButton(text: string, onClick: () => void, caption: string): HTMLButtonElement {
  const made = element('button', 'aoai-Action', text);
  made.type = 'button';
  made.title = caption;
  made.addEventListener('click', onClick);
  return made;
}

/** Make a button with an icon alone; its name is a tooltip too. */
export function iconButton(icon: LabIcon, name: string, onClick: () => void): HTMLButtonElement {
  const made = element('button', 'aoai-Action', icon.element({ tag: 'span' }));
  made.type = 'button';
  made.title = name;
  made.setAttribute('aria-label', name);
  made.addEventListener('click', onClick);
  return made;
}

/** Make bytes of their base64 form. */
export function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), character => character.charCodeAt(0));
}

/** Hand bytes to the browser as a download. */
export function download(name: string, base64: string, mediaType = ''): void {
  // A type of the file's own could be opened as a page; as octets it can only be saved.
  const blob = new Blob([decode(base64)], { type: mediaType || 'application/octet-stream' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Later, as the download begins after this returns.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
