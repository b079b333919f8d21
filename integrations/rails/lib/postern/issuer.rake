# frozen_string_literal: true

namespace :postern do
  desc "Print this application's public key, and its entry for `issuers` in postern.yaml"
  task issuer: :environment do
    # Rails reads storage.yml when it loads Blob.
    registry = ActiveStorage::Blob.services
    configs = Rails.configuration.active_storage.service_configurations.transform_values(&:with_indifferent_access)
    signed = configs.select { |_, config| config[:service].in?(%w[Postern PosternS3]) && config[:tokens] != "issued" }
    services = signed.keys.map { |name| registry.fetch(name) }
    # Postern accepts an issuer once.
    services.group_by { |service| service.tokens.then { [_1.issuer, _1.audience] } }.each do |(issuer, audience), services|
      name = services.first.name
      keys = services.map { _1.tokens.jwk }.uniq(&:kid)
      # JSON is also YAML.
      puts <<~YAML
        # /etc/postern/#{name}.json
        #{{ keys: keys.map(&:export) }.to_json}

        # postern.yaml
        issuers:
          - id: #{name}
            issuer: #{issuer.to_json}
            audience: #{audience.to_json}
            jwks_file: /etc/postern/#{name}.json
            trusted_for: downloads
            algorithms: [#{keys.pluck(:alg).uniq.join(", ")}]
            paths: #{services.map { [_1.site, _1.mount].compact.join(":") }.uniq.to_json}
            max_expires_in: #{[3600, ActiveStorage.service_urls_expire_in.to_i + services.map { _1.tokens.cache_for }.max].max}
            # The API key that may revoke these tokens.
            client: web
      YAML
    end
  end
end
