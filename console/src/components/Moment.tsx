interface MomentProps {
  readonly at: string;
  readonly text: string;
}

/** The exact time shows when somebody points at it. */
export function Moment({ at, text }: MomentProps) {
  return (
    <time dateTime={at} title={new Date(at).toLocaleString("en-GB", { timeZoneName: "short" })}>
      {text}
    </time>
  );
}
