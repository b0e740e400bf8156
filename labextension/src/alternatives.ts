/** Gives pictures among outputs the words that stand beside them, for those who cannot see. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  type IRenderMime,
  IRenderMimeRegistry,
  RenderedImage,
  imageRendererFactory
} from '@jupyterlab/rendermime';

/** JupyterLab draws a picture without a text alternative, though the output has one. */
export const alternatives: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:alternatives',
  description: 'Lets screen readers read what a picture among the outputs is.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (_: JupyterFrontEnd, rendermime: IRenderMimeRegistry) => {
    rendermime.addFactory(
      {
        ...imageRendererFactory,
        createRenderer: options => new DescribedImage(options)
      },
      // Before JupyterLab's own.
      (imageRendererFactory.defaultRank ?? 90) - 1
    );
  }
};

class DescribedImage extends RenderedImage {
  override async render(model: IRenderMime.IMimeModel): Promise<void> {
    await super.render(model);
    const words = model.data['text/plain'];
    const image = this.node.querySelector('img');
    if (image && words !== undefined) {
      image.alt = Array.isArray(words) ? words.join('') : String(words);
    }
  }
}
