# frozen_string_literal: true

require "rails/railtie"
require "postern/current"
require "postern/redirect_to_file"

module Postern
  class Railtie < ::Rails::Railtie
    config.postern = ActiveSupport::OrderedOptions.new

    WITH_TOKEN = /[?&]token=/

    initializer "postern" do |app|
      ActionDispatch::Routing::Mapper.include(RedirectToFile)
      # Otherwise the line "Redirected to …" in the log contains the token.
      app.config.filter_redirect << WITH_TOKEN

      # Also for the controllers of Active Storage, which do not inherit from those of the application.
      %i[action_controller_base action_controller_api].each do |controller|
        ActiveSupport.on_load(controller) do
          before_action do
            subject = app.config.postern.subject
            Current.subject ||= -> { instance_exec(&subject) } if subject
          end

          # Active Storage lets browsers keep its redirects. They would follow them after a logout, or for another user.
          after_action { no_store if response.location&.match?(WITH_TOKEN) }
        end
      end
    end

    rake_tasks { load File.expand_path("issuer.rake", __dir__) }
  end
end
