from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "apps.common"

    def ready(self) -> None:
        from apps.common import folding, whole_numbers

        folding.register()
        whole_numbers.register()
