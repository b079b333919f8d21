# frozen_string_literal: true

require "rails/railtie"

module Postern
  class Railtie < ::Rails::Railtie
    # Otherwise the line "Redirected to …" in the log contains the token.
    initializer "postern.filter_redirect" do |app|
      app.config.filter_redirect << /[?&]token=/
    end

    rake_tasks { load File.expand_path("issuer.rake", __dir__) }
  end
end
