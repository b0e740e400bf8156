/** The strings of the extension, in the reader's language. */
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';

/** Give the catalogue; English where there is none. */
export function texts(translator: ITranslator | null): TranslationBundle {
  return (translator ?? nullTranslator).load('aoai_magic');
}
