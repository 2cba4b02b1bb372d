import { useId } from "react";
import type { Span } from "../../registrationTokens";

interface SpanFieldProps {
  readonly name: string;
  readonly spans: readonly Span[];
  /** What no limit is called. */
  readonly none: string;
  readonly value: number | null;
  readonly onChange: (seconds: number | null) => void;
}

/** A choice of times. */
export function SpanField({ name, spans, none, value, onChange }: SpanFieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{name}</label>
      <select
        id={id}
        className="select"
        value={value ?? ""}
        onChange={({ target }) => onChange(target.value === "" ? null : Number(target.value))}
      >
        {spans.map(([seconds, words]) => (
          <option key={seconds} value={seconds}>
            {words}
          </option>
        ))}
        <option value="">{none}</option>
      </select>
    </div>
  );
}
