import type { ReactNode } from "react";

/** One of the facts of a row, in a `<dl>`. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Taints, and what else is a list of words. */
export function Words({ words }: { words: readonly string[] }) {
  return (
    <>
      {words.map((word) => (
        <code key={word} className="word">
          {word}
        </code>
      ))}
    </>
  );
}
