const TONES: ReadonlyMap<string, string> = new Map([
  ["active", "good"],
  ["pending", "waiting"],
  ["not_yet_valid", "waiting"],
  ["quarantined", "bad"],
  ["suspended", "still"],
]);

/** The state of a thing: in words, and coloured where the state is known here. */
export function Badge({ state }: { state: string }) {
  return <span className={`badge badge--${TONES.get(state) ?? "over"}`}>{inWords(state)}</span>;
}

function inWords(state: string): string {
  return state.replaceAll("_", " ");
}
