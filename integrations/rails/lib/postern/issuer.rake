# frozen_string_literal: true

namespace :postern do
  desc "Print this application's public key, and its entry for `issuers` in postern.yaml"
  task issuer: :environment do
    services = ActiveStorage::Blob.services
    Rails.configuration.active_storage.service_configurations.each do |name, config|
      next unless config.with_indifferent_access[:service].in?(%w[Postern PosternS3])

      service = services.fetch(name)
      # JSON is also YAML.
      puts <<~YAML
        # /etc/postern/#{name}.json
        #{{ keys: [service.tokens.jwk.export] }.to_json}

        # postern.yaml
        issuers:
          - id: #{name}
            issuer: #{service.tokens.issuer.to_json}
            audience: #{service.tokens.audience.to_json}
            jwks_file: /etc/postern/#{name}.json
            trusted_for: downloads
            algorithms: [#{service.tokens.jwk[:alg]}]
            paths: #{[[service.site, service.mount].compact.join(":")].to_json}
            max_expires_in: 3600
            # The API key that may revoke these tokens.
            client: web
      YAML
    end
  end
end
