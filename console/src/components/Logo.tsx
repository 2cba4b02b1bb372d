/** The door of `public/favicon.svg`. */
export function Logo({ className = "" }: { className?: string }) {
  return (
    <svg className={`logo ${className}`} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" className="logo__wall" />
      <path d="M9 25V14a7 7 0 0 1 14 0v11Z" className="logo__light" />
      <path d="M9 25V14a7 7 0 0 1 7-7v20.5Z" className="logo__leaf" />
      <circle cx="13.4" cy="17.6" r="1.2" className="logo__knob" />
    </svg>
  );
}
