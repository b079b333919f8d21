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

{{- define "postern.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "postern.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "postern.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/*
The sites, in JSON, with the mounts of each. A mount without a site is on all of them, except where a mount of the site
has its prefix.
*/}}
{{- define "postern.sites" -}}
{{- $names := list .Values.nginx.serverName }}
{{- range .Values.mounts }}{{ with .site }}{{ $names = append $names (lower .) }}{{ end }}{{ end }}
{{- $sites := list }}
{{- range $name := uniq $names }}
{{- $mounts := list }}
{{- $own := list }}
{{- range $.Values.mounts }}{{ if eq (default "" .site | lower) $name }}{{ $own = append $own .public }}{{ end }}{{ end }}
{{- range $i, $mount := $.Values.mounts }}
{{- if or (eq (default "" .site | lower) $name) (not (or .site (has .public $own))) }}
{{- $mounts = append $mounts (set (deepCopy .) "index" $i) }}
{{- end }}
{{- end }}
{{- $sites = append $sites (dict "name" $name "mounts" $mounts) }}
{{- end }}
{{- toJson $sites }}
{{- end }}

{{/* Where the objects of a storage are, in JSON: the same URL as Postern signs. */}}
{{- define "postern.storage" -}}
{{- $url := urlParse (lower .endpoint) }}
{{- $port := regexFind ":[0-9]+$" $url.host }}
{{- $default := ternary ":443" ":80" (eq $url.scheme "https") }}
{{- $isHost := eq (default "path" .style) "virtual-host" }}
{{- $name := ternary (printf "%s.%s" .bucket $url.hostname) $url.hostname $isHost }}
{{- $path := ternary "/" (printf "/%s/" .bucket) $isHost }}
{{- dict "scheme" $url.scheme "name" $name "port" (default $default $port) "host" (printf "%s%s" $name (ternary "" $port (eq $port $default))) "path" (printf "%s%s" $path (default "" .prefix)) | toJson }}
{{- end }}

{{- define "postern.test" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{/* The decision cache is a volume in memory, which counts as memory of nginx. Only values in Mi are changed. */}}
{{- define "postern.nginxResources" -}}
{{- $resources := deepCopy .Values.nginx.resources }}
{{- if .Values.config.decision_ttl }}
{{- range $kind := list "requests" "limits" }}
{{- $memory := dig $kind "memory" "" $resources }}
{{- if regexMatch "^[0-9]+Mi$" $memory }}
{{- $_ := set (get $resources $kind) "memory" (printf "%dMi" (add (trimSuffix "Mi" $memory) 160)) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $resources }}
{{- end }}
