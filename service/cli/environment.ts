export type Environment = Readonly<Record<string, string | undefined>>;

/** For whoever asks a service; in its own configuration they would be faults. */
export const API_VARIABLES = ['POSTERN_API', 'POSTERN_API_KEY'];
