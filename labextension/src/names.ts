/** File names that come from a session, made fit for the user's folder. */

const LONGEST = 120;

/**
 * Give the last part of a path as a name that is a plain, visible file anywhere.
 *
 * Names are a model's: they may climb (`../x`), hide (`.bashrc`), or break a terminal.
 */
export function safeName(path: string): string {
  const last = path.split(/[\\/]/).pop() ?? '';
  const plain = last.replace(/[\p{C}<>:"|?*]/gu, '_').replace(/^[.\s]+|[.\s]+$/g, '');
  return shorten(plain) || 'file';
}

const INERT =
  /\.(arrow|csv|feather|gif|jpe?g|json|jsonl|log|md|ndjson|parquet|png|py|toml|tsv|txt|xlsx|ya?ml)$/i;
const VEGA = /\.v[gl]\.json$/i;

/**
 * Whether JupyterLab shows a file of that name without fetching what the file names.
 *
 * A record is whoever's the notebook is: a page, a chart of Vega or a notebook would have the
 * browser fetch pictures and data from anywhere, and so tell who opened it, and when.
 */
export function opensInert(name: string): boolean {
  return INERT.test(name) && !VEGA.test(name);
}

/** Whether a file of that name may be a table that the kernel can read. */
export function isTable(name: string): boolean {
  return /\.(arrow|csv|feather|jsonl?|ndjson|ods|parquet|tsv|xlsb|xlsx?)(\.(gz|bz2|xz|zip))?$/i.test(
    name
  );
}

/** The media type of a picture by its name; null for anything else, and for SVG. */
export function pictureType(name: string): string | null {
  const suffix = /\.(gif|jpe?g|png|webp)$/i.exec(name)?.[1]?.toLowerCase();
  return suffix ? `image/${suffix === 'jpg' ? 'jpeg' : suffix}` : null;
}

/** Give the first of `name`, `name-2`, … that is not taken. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  const [stem, suffix] = split(name);
  for (let number = 2, free = name; ; number++) {
    if (!taken.has(free)) {
      return free;
    }
    free = `${stem}-${number}${suffix}`;
  }
}

function shorten(name: string): string {
  const [stem, suffix] = split(name);
  const kept = suffix.slice(0, 20);
  return [...stem].slice(0, LONGEST - kept.length).join('') + kept;
}

function split(name: string): [string, string] {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
}
