import { useState } from "react";
import { useParts } from "../parts";

type Outcome = "none" | "copied" | "refused";

const SPOKEN: Readonly<Record<Outcome, string>> = {
  none: "",
  copied: "Copied.",
  refused: "The browser does not allow copying here. Select the text instead.",
};

const LABEL: Readonly<Record<Outcome, string>> = { none: "Copy", copied: "Copied", refused: "Not allowed" };

interface CopyButtonProps {
  readonly text: string;
  /** What is copied, where the text itself should not be read aloud. */
  readonly name?: string;
}

export function CopyButton({ text, name = text }: CopyButtonProps) {
  const { platform } = useParts();
  const [outcome, setOutcome] = useState<Outcome>("none");
  const copy = async () => {
    setOutcome(await platform.copy(text).then(() => "copied" as const, () => "refused" as const));
  };
  return (
    <span className="copy">
      <button
        type="button"
        className="button button--small"
        aria-label={`Copy ${name}`}
        onClick={() => void copy()}
        onBlur={() => setOutcome("none")}
      >
        {LABEL[outcome]}
      </button>
      <span role="status" className="visually-hidden">
        {SPOKEN[outcome]}
      </span>
    </span>
  );
}
