// Shows openapi.json of this server: calls by tag, each with its parameters, bodies and answers.
'use strict';

/** An element with text or elements inside. */
function make(name, ...inside) {
  const element = document.createElement(name);
  element.append(...inside);
  return element;
}

/** A schema with its references in place, as far as they do not repeat. */
function resolved(schema, all, seen = []) {
  if (Array.isArray(schema)) return schema.map((item) => resolved(item, all, seen));
  if (schema === null || typeof schema !== 'object') return schema;
  const name = schema.$ref?.split('/').pop();
  if (name !== undefined) return seen.includes(name) ? name : resolved(all[name], all, [...seen, name]);
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolved(value, all, seen)]));
}

function body(title, content, all) {
  const [kind, { schema }] = Object.entries(content)[0];
  const text = JSON.stringify(resolved(schema, all), null, 1);
  return [make('h3', `${title} (${kind})`), make('pre', text)];
}

function parameters(list) {
  const rows = list.map((p) =>
    make('tr', make('td', make('code', p.name)), make('td', p.in), make('td', p.description ?? ''),
      make('td', make('code', JSON.stringify(p.schema)))));
  return [make('h3', 'Parameters'), make('table', ...rows)];
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, r]) =>
    make('tr', make('td', make('code', status)), make('td', r.description)));
  return [make('h3', 'Answers'), make('table', ...rows)];
}

function call(method, path, operation, all) {
  const inside = make('div', make('p', operation.description));
  inside.className = 'inside';
  if (operation.parameters.length > 0) inside.append(...parameters(operation.parameters));
  if (operation.requestBody) inside.append(...body('Body', operation.requestBody.content, all));
  inside.append(...answers(operation.responses));
  const good = Object.entries(operation.responses).find(([status, r]) => status < '300' && r.content);
  if (good) inside.append(...body(`Answer ${good[0]}`, good[1].content, all));
  const head = make('summary', make('code', `${method.toUpperCase()} ${path}`), make('span', operation.summary));
  return make('details', head, inside);
}

async function show() {
  const answer = await fetch('/api/v1/openapi.json');
  const api = await answer.json();
  const base = api.servers[0].url;
  document.getElementById('about').textContent = `${api.info.version} · ${api.info.description}`;
  const sections = new Map(api.tags.map(({ name }) => [name, make('section', make('h2', name))]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      sections.get(operation.tags[0]).append(call(method, base + path, operation, api.components.schemas));
    }
  }
  document.getElementById('calls').replaceChildren(...sections.values());
}

show().catch((error) => {
  document.getElementById('calls').textContent = `The description cannot be shown: ${error.message}`;
});
