// Writes src/api/schema.ts: the schemas of ../docs/openapi.json as TypeScript.
//
// Knows the part of JSON Schema that our document uses and refuses the rest, so that nothing turns into a wrong type
// unseen. Ours, because the generators on offer need the compiler API that TypeScript 7 no longer has.

import { readFileSync, writeFileSync } from "node:fs";

const SOURCE = new URL("../../docs/openapi.json", import.meta.url);
const TARGET = new URL("../src/api/schema.ts", import.meta.url);
const HEAD = "// Made by `npm run types` from docs/openapi.json: change that instead.\n";
const REFERENCE = "#/components/schemas/";
const PLAIN = { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" };

const { components } = JSON.parse(readFileSync(SOURCE, "utf8"));
const declarations = Object.entries(components.schemas).map(([name, schema]) => declaration(name, schema));
writeFileSync(TARGET, [HEAD, ...declarations].join("\n"));

function declaration(name, schema) {
  const comment = schema.description === undefined ? "" : `/** ${schema.description.replaceAll("*/", "*\\/")} */\n`;
  return `${comment}export type ${name} = ${typeOf(schema, name)};\n`.replace("= \n", "=\n");
}

function typeOf(schema, where) {
  if (schema.$ref !== undefined) return referenced(schema.$ref, where);
  if (schema.enum !== undefined) return union(schema.enum.map((value) => JSON.stringify(value)));
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return union(choices.map((choice) => typeOf(choice, where)));
  if (schema.type === "array") return `ReadonlyArray<${typeOf(schema.items, where)}>`;
  if (schema.type === "object") return objectType(schema, where);
  if (Object.hasOwn(PLAIN, schema.type)) return PLAIN[schema.type];
  throw new Error(`${where}: no rule for the schema ${JSON.stringify(schema)}`);
}

function referenced(reference, where) {
  if (!reference.startsWith(REFERENCE)) throw new Error(`${where}: no rule for the reference ${reference}`);
  return reference.slice(REFERENCE.length);
}

function objectType(schema, where) {
  if (schema.properties === undefined) return `Readonly<Record<string, ${valueType(schema, where)}>>`;
  const required = new Set(schema.required);
  const fields = Object.entries(schema.properties).map(([name, property]) => {
    const mark = required.has(name) ? "" : "?";
    return `  readonly ${JSON.stringify(name)}${mark}: ${typeOf(property, `${where}.${name}`)};\n`;
  });
  return `{\n${fields.join("")}}`;
}

function valueType(schema, where) {
  const values = schema.additionalProperties;
  return typeof values === "object" ? typeOf(values, where) : "unknown";
}

function union(types) {
  const line = types.join(" | ");
  return line.length > 100 ? types.map((type) => `\n  | ${type}`).join("") : line;
}
