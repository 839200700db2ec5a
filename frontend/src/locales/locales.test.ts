/// <reference types="node" />
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import en from './en.json';
import es from './es.json';

const SRC = join(import.meta.dirname, '..');
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx$/.test(name) && !name.includes('.test.'));

function keys(of: object, before = ''): string[] {
  return Object.entries(of).flatMap(([key, value]) => (typeof value === 'object' ? keys(value as object, `${before}${key}.`) : [`${before}${key}`]));
}

const plain = (found: string[]) => [...new Set(found.map((key) => key.replace(/_(one|many|other)$/, '')))].sort();

describe('texts', () => {
  it('are there in both languages, with the same values to fill in', () => {
    expect(plain(keys(es))).toEqual(plain(keys(en)));
    const text = (of: unknown, key: string) => key.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], of) as string;
    const holes = (value: string) => [...value.matchAll(/\{\{(\w+)\}\}/g)].map((found) => found[1]).sort();
    for (const key of keys(en)) expect(holes(text(es, key)), key).toEqual(holes(text(en, key)));
  });

  it('are there for every problem of the services that its status alone does not explain', () => {
    const told = readFileSync(join(SRC, '../../api/problems.py'), 'utf8');
    const codes = [...told.matchAll(/\((4\d\d|503), "([a-z-]+)"/g)].filter(([, status]) => status !== '401' && status !== '403').map(([, , code]) => code);
    expect(codes.length).toBeGreaterThan(8);
    for (const code of codes.filter((each) => each !== 'unknown-host')) expect(en.problem, code).toHaveProperty(code ?? '');
  });

  it('are all known that a page asks for by name', () => {
    const known = new Set(plain(keys(en)));
    for (const file of files)
      for (const [, key] of readFileSync(join(SRC, file), 'utf8').matchAll(/\bt\('([\w.]+)'/g)) expect(known.has(key ?? ''), `${file}: ${key}`).toBe(true);
  });

  it('are all asked for by some page', () => {
    const source = files.map((file) => readFileSync(join(SRC, file), 'utf8')).join('\n');
    // A key that is put together, such as `part.${name}`, counts for all that begin so; words that stand in a list, too.
    const begins = [...source.matchAll(/t\(`([\w.]+?)\$\{/g)].map((found) => found[1] ?? '');
    for (const key of plain(keys(en))) {
      const used = source.includes(`'${key}'`) || begins.some((begin) => key.startsWith(begin));
      expect(used, key).toBe(true);
    }
  });

  it('stand in no page itself', () => {
    for (const file of files) {
      const tree = ts.createSourceFile(file, readFileSync(join(SRC, file), 'utf8'), ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
      const look = (node: ts.Node): void => {
        if (ts.isJsxText(node)) expect(node.text.replace(/[·\s]/g, ''), `${file}: a text that is not translated`).toBe('');
        if (ts.isJsxAttribute(node) && /^(aria-label|title|label|placeholder|description|alt)$/.test(node.name.getText()))
          expect(node.initializer !== undefined && ts.isStringLiteral(node.initializer), `${file}: ${node.getText()}`).toBe(false);
        ts.forEachChild(node, look);
      };
      look(tree);
    }
  });
});
