/** Asking before something is done, and saying why it was not. */
import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

/** Ask whether something that cannot be undone is to be done. */
export async function isConfirmed(
  title: string,
  body: string,
  action: string,
  trans: TranslationBundle
): Promise<boolean> {
  const { button } = await showDialog({
    title,
    body,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: action })
    ]
  });
  return button.accept;
}

/** Say what the kernel said in place of an answer; `null` is a kernel that said nothing. */
export async function showRefusal(
  reply: { error?: string } | null,
  trans: TranslationBundle
): Promise<void> {
  const silence = trans.__('The kernel is busy, or there is none that could answer.');
  await showErrorMessage(trans.__('The request failed'), reply?.error ?? silence);
}
