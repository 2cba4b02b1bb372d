import { CopyButton } from "./CopyButton";

interface CommandProps {
  readonly text: string;
  /** What is copied, where the text itself should not be read aloud. */
  readonly name?: string;
}

export function Command({ text, name = text }: CommandProps) {
  return (
    <div className="command">
      <code>{text}</code>
      <CopyButton text={text} name={name} />
    </div>
  );
}
