/** What came back, each in a chip with what can be done with it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { downloadIcon } from '@jupyterlab/ui-components';
import { button, element } from './dom.js';

/** A labelled list of chips; nothing where there are none. */
export function chips(label: string, items: HTMLElement[]): HTMLElement[] {
  if (!items.length) {
    return [];
  }
  const list = element('ul', 'aoai-Turn-results', ...items);
  list.setAttribute('aria-label', label);
  return [list];
}

export function downloadButton(
  name: string,
  trans: TranslationBundle,
  save: () => void
): HTMLElement {
  return button(downloadIcon, trans.__('Download'), save, trans.__('Download %1', name));
}
