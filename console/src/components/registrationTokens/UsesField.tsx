import { useId } from "react";
import type { Draft, Uses } from "../../registrationTokens";

interface UsesFieldProps {
  readonly uses: Uses;
  readonly maxUses: string;
  readonly onChange: (changes: Partial<Draft>) => void;
}

const CHOICES: ReadonlyArray<readonly [Uses, string]> = [
  ["once", "One device: single use"],
  ["some", "A number of devices"],
  ["any", "Any number of devices: reusable"],
];

export function UsesField({ uses, maxUses, onChange }: UsesFieldProps) {
  const id = useId();
  return (
    <fieldset className="field">
      <legend>Who may join with it</legend>
      {CHOICES.map(([choice, name]) => (
        <label key={choice} className="choice">
          <input type="radio" name={id} checked={uses === choice} onChange={() => onChange({ uses: choice })} />
          <span>{name}</span>
        </label>
      ))}
      {uses === "some" && (
        <div className="field field--under">
          <label htmlFor={`${id}-most`}>At most</label>
          <input
            id={`${id}-most`}
            className="input input--number"
            type="number"
            required
            min={1}
            max={1_000_000}
            step={1}
            value={maxUses}
            onChange={(event) => onChange({ maxUses: event.target.value })}
          />
        </div>
      )}
    </fieldset>
  );
}
