// Builds the extension into ../aoai_magic/labextension: types from the schema of what the
// kernel sends, TypeScript, the bundle. With --test it runs the unit tests instead of bundling.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFromFile } from 'json-schema-to-typescript';

const here = dirname(fileURLToPath(import.meta.url));
const python = join(here, '..', 'aoai_magic');
const output = join(python, 'labextension');

/** The one version, which stands in the Python package. */
function version() {
  const source = readFileSync(join(python, '_version.py'), 'utf8');
  const found = /^__version__ = "([^"]+)"$/m.exec(source);
  if (!found) {
    throw new Error('aoai_magic/_version.py has no line __version__ = "…"');
  }
  // Python writes 1.2.0rc1 and 1.2.0.dev1 for what npm calls 1.2.0-rc1 and 1.2.0-dev1.
  return found[1].replace(/^(\d+\.\d+\.\d+)\.?(?=[a-z])/, '$1-');
}

const SCHEMAS = {
  turn: 'display/saved/turn.schema.json',
  frontend: 'notebook/lab_messages.schema.json'
};

async function writeTypes() {
  const folder = join(here, 'src', 'generated');
  mkdirSync(folder, { recursive: true });
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    const bannerComment = `// Made from aoai_magic/${schema} by build.mjs.`;
    const options = { bannerComment, customName, format: false };
    const types = await compileFromFile(join(python, schema), options);
    writeFileSync(join(folder, `${name}.ts`), types);
  }
}

/** The schema's title is a media type, which would make an odd name. */
function customName(schema) {
  return schema.title?.startsWith('application/') ? 'TurnRecord' : undefined;
}

function run(script, ...words) {
  execFileSync(process.execPath, [script, ...words], { cwd: here, stdio: 'inherit' });
}

function bundle() {
  rmSync(output, { recursive: true, force: true });
  const core = 'node_modules/@jupyterlab/core-meta/core.package.json';
  run('node_modules/@jupyter/builder/lib/build-labextension.js', '--core-package-file', core, '.');
  // JupyterLab shows the first, and gives the second's version to the settings.
  for (const name of ['package.json', 'schemas/aoai-magic/package.json.orig']) {
    const file = join(output, name);
    const metadata = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...metadata, version: version() }, null, 2) + '\n');
  }
}

function tests(folder) {
  return readdirSync(folder, { recursive: true })
    .filter(name => name.endsWith('.test.js'))
    .map(name => join(folder, name));
}

await writeTypes();
run('node_modules/typescript/bin/tsc', '-p', '.');
if (process.argv.includes('--test')) {
  execFileSync(process.execPath, ['--test', ...tests(join(here, 'lib'))], { stdio: 'inherit' });
} else {
  bundle();
}
