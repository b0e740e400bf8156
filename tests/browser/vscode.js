// A cell as VS Code shows it: its own widget manager draws the widgets, everything else is
// taken down as it was sent. JupyterLab's page lends the connection to a kernel.
async ({ widgets, require }) => {
  const run = text => {
    const script = document.createElement('script');
    script.textContent = text;
    document.head.append(script);
  };
  const isolated = document.createElement('div');
  isolated.id = 'vscode';
  document.body.replaceChildren(isolated);
  run(require);
  const module = URL.createObjectURL(new Blob([widgets], { type: 'text/javascript' }));
  (await import(module)).activate();
  window.vscIPyWidgets8?.load();
  const kernel = await window.jupyterapp.serviceManager.kernels.startNew({ name: 'python3' });
  kernel.commsOverSubshells = 'disabled'; // as VS Code's proxy
  await kernel.info;
  const problems = [];
  const loader = {
    widgetsRegisteredInRequireJs: new Set(),
    errorHandler: (...words) => problems.push(words.map(String).join(' ')),
    successHandler: () => {},
    loadWidgetScript: async name => problems.push(`asks for the script of ${name}`)
  };
  const manager = new window.vscIPyWidgets.WidgetManager(kernel, isolated, loader, () => {});

  // In the order of VS Code's own preference.
  const order = [
    'application/vnd.jupyter.widget-view+json',
    'text/markdown',
    'image/png',
    'text/plain'
  ];
  const draw = async (output, data) => {
    const kind = order.find(one => one in data);
    output.dataset.kind = kind;
    output.textContent = '';
    if (kind !== order[0]) {
      output.textContent = data[kind];
      return;
    }
    const model = await manager.get_model(data[kind].model_id);
    const ground = document.createElement('div');
    ground.className = 'cell-output-ipywidget-background';
    output.append(ground);
    const view = await manager.create_view(model, { el: ground });
    await manager.display_view(data, view, { node: ground });
  };

  const shown = new Map();
  let snapshot = '';
  const handle = async ({ header: { msg_type: type }, content }) => {
    if (type === 'stream' || type === 'error') {
      const output = document.createElement('div');
      output.className = 'output';
      output.textContent = content.text ?? content.evalue;
      isolated.append(output);
    } else if (type === 'display_data') {
      const output = document.createElement('div');
      output.className = 'output';
      isolated.append(output);
      shown.set(content.transient?.display_id, { output, metadata: content.metadata });
      await draw(output, content.data);
    } else if (type === 'update_display_data') {
      const { output, metadata } = shown.get(content.transient.display_id);
      await draw(output, content.data);
      if (JSON.stringify(metadata) !== JSON.stringify(content.metadata)) {
        // The trap: an update that changes an output's metadata makes VS Code put all
        // outputs of the cell back to what they were some moments ago.
        isolated.innerHTML = snapshot;
      }
    }
  };
  window.runCell = async code => {
    snapshot = isolated.innerHTML;
    // Kept when done: what later cells change of its outputs is handed to it.
    const future = kernel.requestExecute({ code }, false);
    let drawn = Promise.resolve();
    future.onIOPub = message => {
      drawn = drawn.then(() => handle(message)).catch(reason => problems.push(String(reason)));
    };
    const reply = await future.done;
    await drawn;
    return reply.content.status;
  };
  // The colours that VS Code gives its pages, of which widgets know nothing.
  const ground = document.createElement('style');
  ground.textContent = '.cell-output-ipywidget-background { background: white !important }';
  document.head.append(ground);
  window.setTheme = colours => {
    for (const [name, value] of Object.entries(colours)) {
      document.documentElement.style.setProperty(`--vscode-${name}`, value);
    }
    document.body.style.background = colours['editor-background'];
    document.body.style.color = colours['editor-foreground'];
  };
  window.endVSCode = () => kernel.shutdown();
  return () => problems;
}
