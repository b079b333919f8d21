{{- define "postern.name" -}}
{{- .Values.nameOverride | default (ternary .Release.Name (printf "%s-postern" .Release.Name) (contains "postern" .Release.Name)) | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "postern.selector" -}}
app.kubernetes.io/name: postern
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "postern.labels" -}}
{{ include "postern.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The path of a snippet is its key: a key must not contain a slash. */}}
{{- define "postern.snippetKey" -}}
{{ . | trimPrefix "snippets/" | replace "/" "__" }}
{{- end }}

{{- define "postern.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
