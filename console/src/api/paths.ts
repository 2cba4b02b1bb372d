/** Paths of the API with a query. Pure. */

/** How many things one page of a list holds. */
export const PAGE_SIZE = 50;

/** What is `null` is left out. */
export function pathWith(path: string, query: Readonly<Record<string, string | number | null>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null) parameters.set(name, String(value));
  }
  return parameters.size > 0 ? `${path}?${parameters}` : path;
}
