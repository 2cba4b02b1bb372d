export function Notice({ sentence }: { sentence: string | null }) {
  if (sentence === null) return null;
  return (
    <p role="alert" className="banner banner--notice">
      {sentence}
    </p>
  );
}
